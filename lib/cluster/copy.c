/* Copies of either kind. */
#include <stdio.h>
#include <string.h>

#include "cluster/copy_impl.h"

void
copy_label(const struct conf_volume *v, int index, char out[COPY_LABEL_MAX])
{
	const char	*node = index < 0 ? v->home : v->copies[index].node;
	size_t		 same = 0;

	for (size_t i = 0; i < v->ncopies; i++)
		same += strcmp(v->copies[i].node, node) == 0;
	same += strcmp(v->home, node) == 0;
	if (same > 1 && index >= 0)
		snprintf(out, COPY_LABEL_MAX, "%.63s#%d", node,
		    (index + 1) % 10000);
	else
		snprintf(out, COPY_LABEL_MAX, "%.63s", node);
}

int
copy_open(const struct log *log, const struct conf *conf,
    const struct conf_volume *v, size_t index, const struct seg_meta *meta,
    struct copy **out)
{
	const struct conf_copy *cc = &v->copies[index];

	if (strcmp(cc->node, conf->self) != 0)
		return copy_open_remote(log, conf, v, index, meta, out);
	return copy_open_dir(log, cc->path, meta, out);
}

void
copy_close(struct copy *c)
{
	if (c != NULL)
		c->ops->close(c);
}

int
copy_list(struct copy *c, uint32_t **list, size_t *n)
{
	return c->ops->list(c, list, n);
}

int
copy_end(struct copy *c, uint32_t segment, uint32_t *end)
{
	return c->ops->end(c, segment, end);
}

int
copy_append(struct copy *c, uint32_t segment, uint32_t offset, const void *p,
    size_t n)
{
	return c->ops->append(c, segment, offset, p, n);
}

int
copy_read(struct copy *c, uint32_t segment, uint32_t offset, void *p,
    size_t n)
{
	return c->ops->read(c, segment, offset, p, n);
}

int
copy_patch(struct copy *c, uint32_t segment, uint32_t offset, const void *p,
    size_t n)
{
	return c->ops->patch(c, segment, offset, p, n);
}

int
copy_cut(struct copy *c, uint32_t segment, uint32_t end)
{
	return c->ops->cut(c, segment, end);
}

int
copy_sum(struct copy *c, uint32_t segment, uint32_t to, uint32_t max,
    struct sum *s)
{
	return c->ops->sum(c, segment, to, max, s);
}

/* Any change of a copy gives it the epoch: here one that changes no byte. */
int
copy_claim(struct copy *c)
{
	return c->ops->cut(c, 1, UINT32_MAX);
}
