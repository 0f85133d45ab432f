/* A node's load in Prometheus' text format. */
#include <string.h>

#include "cluster/load_int.h"

typedef unsigned long long ull;

static void
type(struct buf *b, const char *name)
{
	buf_addf(b, "# TYPE clustermail_%s gauge\n", name);
}

static void
metrics_places(const struct load *l, struct buf *b)
{
	type(b, "place_bytes");
	for (size_t i = 0; i < l->nplaces; i++)
		buf_addf(b, "clustermail_place_bytes{volume=\"%s\",place=\"%d"
		    "\"} %llu\n", l->place[i].volume, l->place[i].index,
		    (ull)l->place[i].bytes);
	type(b, "place_segments");
	for (size_t i = 0; i < l->nplaces; i++)
		buf_addf(b, "clustermail_place_segments{volume=\"%s\",place="
		    "\"%d\"} %u\n", l->place[i].volume, l->place[i].index,
		    l->place[i].segments);
	type(b, "place_epoch");
	for (size_t i = 0; i < l->nplaces; i++)
		buf_addf(b, "clustermail_place_epoch{volume=\"%s\",place=\"%d"
		    "\"} %u\n", l->place[i].volume, l->place[i].index,
		    l->place[i].epoch);
}

static void
metrics_free(const struct load *l, struct buf *b)
{
	type(b, "free_bytes");
	for (size_t i = 0; i < l->nplaces; i++)
		if (i == 0 || strcmp(l->place[i].volume,
		    l->place[i - 1].volume) != 0)
			buf_addf(b, "clustermail_free_bytes{volume=\"%s\"} "
			    "%llu\n", l->place[i].volume,
			    (ull)l->place[i].free);
}

static void
metrics_lags(const struct load *l, struct buf *b)
{
	type(b, "copy_lag_bytes");
	for (size_t i = 0; i < l->nlags; i++)
		buf_addf(b, "clustermail_copy_lag_bytes{volume=\"%s\","
		    "copy=\"%s\"} %llu\n", l->lag[i].volume, l->lag[i].label,
		    (ull)l->lag[i].bytes);
	type(b, "copy_lag_seconds");
	for (size_t i = 0; i < l->nlags; i++)
		buf_addf(b, "clustermail_copy_lag_seconds{volume=\"%s\","
		    "copy=\"%s\"} %lld\n", l->lag[i].volume, l->lag[i].label,
		    (long long)l->lag[i].ms / 1000);
	type(b, "copy_up");
	for (size_t i = 0; i < l->nlags; i++)
		buf_addf(b, "clustermail_copy_up{volume=\"%s\",copy=\"%s\"} "
		    "%d\n", l->lag[i].volume, l->lag[i].label, l->lag[i].up);
}

/* A label's value, as the format has it. */
static void
label(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(b, '\\');
		buf_addc(b, *s);
	}
}

static void
metrics_spools(const struct load *l, struct buf *b)
{
	type(b, "spool_files");
	for (size_t i = 0; i < l->nspools; i++) {
		buf_adds(b, "clustermail_spool_files{spool=\"");
		label(b, l->spool[i].name);
		buf_addf(b, "\",in=\"new\"} %llu\n", (ull)l->spool[i].waiting);
		buf_adds(b, "clustermail_spool_files{spool=\"");
		label(b, l->spool[i].name);
		buf_addf(b, "\",in=\"failed\"} %llu\n",
		    (ull)l->spool[i].failed);
	}
}

static void
metrics_disks(const struct load *l, struct buf *b)
{
	type(b, "disk_free_bytes");
	for (size_t i = 0; i < l->ndisks; i++)
		buf_addf(b, "clustermail_disk_free_bytes{holds=\"%s\"} %llu\n",
		    l->disk[i].holds, (ull)l->disk[i].free);
	type(b, "disk_bytes");
	for (size_t i = 0; i < l->ndisks; i++)
		buf_addf(b, "clustermail_disk_bytes{holds=\"%s\"} %llu\n",
		    l->disk[i].holds, (ull)l->disk[i].total);
}

static void
metrics_choice(const struct load *l, struct buf *b)
{
	type(b, "load_percent");
	buf_addf(b, "clustermail_load_percent %.1f\n", load_percent(l));
	type(b, "acknowledgement_delay_seconds");
	buf_addf(b, "clustermail_acknowledgement_delay_seconds %.3f\n",
	    (double)l->delay_ms / 1000);
	type(b, "space_bytes");
	buf_addf(b, "clustermail_space_bytes %llu\n", (ull)l->space);
	type(b, "service_sessions");
	for (size_t i = 0; i < l->nservices; i++)
		buf_addf(b, "clustermail_service_sessions{service=\"%s\","
		    "number=\"%zu\"} %llu\n", l->service[i].name, i,
		    (ull)l->service[i].sessions);
	type(b, "service_sessions_limit");
	for (size_t i = 0; i < l->nservices; i++)
		buf_addf(b, "clustermail_service_sessions_limit{service=\"%s"
		    "\",number=\"%zu\"} %llu\n", l->service[i].name, i,
		    (ull)l->service[i].limit);
}

void
load_metrics(const struct load *l, struct buf *b)
{
	type(b, "load");
	buf_addf(b, "clustermail_load %.2f\n", l->load);
	type(b, "processors");
	buf_addf(b, "clustermail_processors %llu\n", (ull)l->processors);
	type(b, "sessions");
	buf_addf(b, "clustermail_sessions %llu\n", (ull)l->sessions);
	metrics_choice(l, b);
	metrics_disks(l, b);
	metrics_free(l, b);
	metrics_places(l, b);
	metrics_lags(l, b);
	metrics_spools(l, b);
	if (l->scrub.end_ms == 0)
		return;
	type(b, "scrub_end_time_seconds");
	buf_addf(b, "clustermail_scrub_end_time_seconds %lld\n",
	    (long long)l->scrub.end_ms / 1000);
	type(b, "scrub_left");
	buf_addf(b, "clustermail_scrub_left %llu\n", (ull)l->scrub.left);
}
