#include "cluster/forward.h"

#include <stdlib.h>
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

static int
try_volume(const struct log *log, const struct conf *conf,
    const struct conf_volume *cv, unsigned copies,
    const struct reader_record *rec, struct place *place, struct buf *labels)
{
	struct peer	*p;
	struct buf	 body, out;
	int		 rc;

	if ((rc = peer_open(log, conf, cv->home, &p)) != 0)
		return rc;
	buf_init(&body, rec->env_text.len + rec->msg.len + 1);
	buf_init(&out, 65536);
	buf_add(&body, rec->env_text.p, rec->env_text.len);
	buf_add(&body, rec->msg.p, rec->msg.len);
	if ((rc = body.err) == 0)
		rc = peer_post(p, body.p, body.len, &out,
		    "/v1/volume/%s?env=%zu&copies=%u", cv->name,
		    rec->env_text.len, copies);
	if (rc == 0)
		rc = take_answer(&out, place, labels);
	else
		log_fail(log, rc, "volume %s on node %s: %s", cv->name,
		    cv->home, peer_text(p));
	buf_free(&body);
	buf_free(&out);
	peer_close(p);
	return rc;
}

/* Takes new mail, has enough places, and is another node's. */
static bool
is_suited(const struct conf *conf, const struct conf_volume *cv,
    unsigned copies)
{
	return !cv->closed && cv->ncopies + 1 >= copies &&
	    !conf_is_home(conf, cv);
}

int
forward_record(const struct log *log, const struct conf *conf,
    unsigned copies, struct place *place, struct buf *labels)
{
	struct reader_record	 rec;
	struct reader		*r;
	size_t			 start = 0;
	int			 rc;

	if ((rc = reader_open(log, conf, &r)) != 0)
		return rc;
	if ((rc = reader_get(r, place, NULL, &rec)) != 0)
		goto out;
	if (getrandom(&start, sizeof(start), 0) != sizeof(start))
		start = 0;
	rc = CM_ESHORT;
	for (size_t i = 0; rc != 0 && i < conf->nvolumes; i++) {
		const struct conf_volume *cv = &conf->volumes[(start % conf->
		    nvolumes + i) % conf->nvolumes];

		if (is_suited(conf, cv, copies))
			rc = try_volume(log, conf, cv, copies, &rec, place,
			    labels);
	}
	if (rc != 0)
		rc = CM_ESHORT;
out:
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
