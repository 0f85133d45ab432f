#include "cluster/forward.h"

#include <sys/random.h>

#include "base/str.h"
#include "cluster/peer.h"
#include "cluster/reader.h"
#include "cluster/volume.h"

/* "PLACE TAB LABELS" */
static int
take_answer(const struct buf *b, struct place *place, struct buf *labels)
{
	struct span	 rest = { b->p, b->len }, line, f;

	if (b->len == 0 || !str_field(&rest, '\n', &line) ||
	    !str_field(&line, '\t', &f) || line.p == NULL || line.len == 0 ||
	    place_parse(f.p, f.len, place) != 0)
		return CM_EPROTO;
	buf_reset(labels);
	return buf_add(labels, line.p, line.len);
}

/* Envelope part and message. */
struct parcel {
	struct span	 env, msg;
};

static int
send(const struct log *log, const struct conf_volume *cv, struct peer *p,
    unsigned copies, const struct parcel *rec, struct place *place,
    struct buf *labels)
{
	struct buf	 body, out;
	int		 rc;

	buf_init(&body, rec->env.len + rec->msg.len + 1);
	buf_init(&out, 65536);
	buf_add(&body, rec->env.p, rec->env.len);
	buf_add(&body, rec->msg.p, rec->msg.len);
	if ((rc = body.err) == 0)
		rc = peer_post(p, body.p, body.len, &out,
		    "/v1/volume/%s?env=%zu&copies=%u", cv->name,
		    rec->env.len, copies);
	if (rc == 0)
		rc = take_answer(&out, place, labels);
	else
		log_fail(log, rc, "volume %s on node %s: %s", cv->name,
		    cv->home, peer_text(p));
	buf_free(&body);
	buf_free(&out);
	return rc;
}

static int
try_volume(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, unsigned copies, const struct parcel *rec,
    struct place *place, struct buf *labels)
{
	struct peer	*p;
	int		 rc;

	if ((rc = peer_open(log, conf, cv->home, &p)) != 0)
		return rc;
	rc = send(log, cv, p, copies, rec, place, labels);
	peer_close(p);
	return rc;
}

/* Takes new mail, has enough places, and is another node's. */
static bool
is_suited(const struct conf *conf, const struct conf_volume *cv,
    unsigned copies)
{
	return conf_takes_mail(conf, cv) && cv->ncopies + 1 >= copies &&
	    !conf_is_home(conf, cv);
}

static int
try_all(const struct log *log, const struct conf *conf, unsigned copies,
    const struct parcel *rec, struct place *place, struct buf *labels)
{
	size_t	 start = 0;
	int	 rc = CM_ESHORT;

	if (getrandom(&start, sizeof(start), 0) != sizeof(start))
		start = 0;
	for (size_t i = 0; rc != 0 && i < conf->nvolumes; i++) {
		const struct conf_volume *cv = &conf->volumes[(start % conf->
		    nvolumes + i) % conf->nvolumes];

		if (is_suited(conf, cv, copies))
			rc = try_volume(log, conf, cv, copies, rec, place,
			    labels);
	}
	return rc == 0 ? 0 : CM_ESHORT;
}

int
forward_record(const struct log *log, const struct conf *conf,
    unsigned copies, struct place *place, struct buf *labels)
{
	struct reader_record	 rec;
	struct parcel		 p;
	struct reader		*r;
	int			 rc;

	if ((rc = reader_open(log, conf, &r)) != 0)
		return rc;
	if ((rc = reader_get(r, place, NULL, &rec)) == 0) {
		p = (struct parcel){ rec.env_text, rec.msg };
		rc = try_all(log, conf, copies, &p, place, labels);
	}
	reader_close(r);
	return rc;
}

int
forward_again(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, struct place *place)
{
	struct reader_record	 rec;
	struct reader		*r;
	struct volume		*v = NULL;
	struct place		 p;
	int			 rc;

	if ((rc = reader_open(log, conf, &r)) != 0)
		return rc;
	if ((rc = reader_get(r, place, NULL, &rec)) == 0 &&
	    (rc = vol_open(log, conf, cv, &v)) == 0 &&
	    (rc = vol_append(v, rec.env_text.p, rec.env_text.len, rec.msg.p,
	    rec.msg.len, &p)) == 0 && (rc = vol_sync(v, &p)) == 0)
		*place = p;
	vol_close(v);
	reader_close(r);
	return rc;
}

int
forward_to(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, struct peer **peer, struct span env,
    struct span msg, struct place *place, struct buf *labels)
{
	struct parcel	 p = { env, msg };
	unsigned	 copies = conf->copies;
	int		 rc = 0;

	if (cv->ncopies + 1 < copies) {
		if (conf->on_short == CONF_REFUSE)
			return log_fail(log, CM_ESHORT, "volume %s has no %u "
			    "places", cv->name, copies);
		copies = (unsigned)cv->ncopies + 1;
	}
	if (*peer == NULL)
		rc = peer_open(log, conf, cv->home, peer);
	if (rc == 0)
		rc = send(log, cv, *peer, copies, &p, place, labels);
	if (rc == 0)
		return 0;
	peer_close(*peer);
	*peer = NULL;
	return rc;
}

int
forward_new(const struct log *log, const struct conf *conf, struct span env,
    struct span msg, struct place *place, struct buf *labels)
{
	struct parcel	 p = { env, msg };
	int		 rc;

	rc = try_all(log, conf, conf->copies, &p, place, labels);
	/* with fewer, as at a home of its own; the id stays the same */
	if (rc != 0 && conf->on_short == CONF_DEGRADE && conf->copies > 1)
		rc = try_all(log, conf, 1, &p, place, labels);
	return rc == 0 ? 0 : log_fail(log, CM_EAGAIN, "no volume of another "
	    "node takes what node %s, which is drained, should store",
	    conf->self);
}
