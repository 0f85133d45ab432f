#include "cluster/status_chart.h"

#include <stdlib.h>
#include <string.h>

#define ROW	30		/* all in units of the picture */
#define WIDTH	400
#define BAR_X	104
#define BAR_W	160
#define BAR_H	14
#define TEXT_X	(BAR_X + BAR_W + 12)
#define LABEL_MAX 14		/* characters that fit before the bar */

struct bar *
chart_bar(struct chart *c)
{
	struct bar	*b;

	if (c->n == CHART_BARS_MAX) {
		c->left_out++;
		return NULL;
	}
	b = reallocarray(c->bar, c->n + 1, sizeof(*b));
	if (b == NULL) {
		c->left_out++;
		return NULL;
	}
	c->bar = b;
	b += c->n++;
	memset(b, 0, sizeof(*b));
	return b;
}

static void
draw_label(struct buf *b, const char *label, unsigned y)
{
	char	 cut[LABEL_MAX + 1];

	buf_addf(b, "<text class=\"label\" x=\"0\" y=\"%u\">", y);
	if (str_copy(cut, sizeof(cut), label) == 0) {
		words_xml(b, cut);
	} else {
		if (str_ncopy(cut, sizeof(cut), label, LABEL_MAX - 2) == 0)
			words_xml(b, cut);
		buf_adds(b, "..");
	}
	buf_adds(b, "</text>");
}

static void
draw_bar(struct buf *b, const struct bar *r, size_t i)
{
	unsigned	 y = (unsigned)i * ROW + 6;
	double		 part = r->part < 0 ? 0 : r->part > 1 ? 1 : r->part;

	buf_adds(b, "<g><title>");
	words_xml(b, r->label);
	buf_adds(b, ": ");
	words_xml(b, r->text);
	buf_adds(b, "</title>");
	draw_label(b, r->label, y + BAR_H - 2);
	buf_addf(b, "<rect class=\"track\" x=\"%d\" y=\"%u\" width=\"%d\" "
	    "height=\"%d\" rx=\"3\"/>", BAR_X, y, BAR_W, BAR_H);
	/* a little of something is not nothing */
	if (part > 0)
		buf_addf(b, "<rect class=\"bar %s\" x=\"%d\" y=\"%u\" width="
		    "\"%.1f\" height=\"%d\" rx=\"3\"/>",
		    words_level(r->level), BAR_X, y,
		    part * BAR_W < 3 ? 3 : part * BAR_W, BAR_H);
	if (r->tick > 0 && r->tick <= 1)
		buf_addf(b, "<rect class=\"tick\" x=\"%.1f\" y=\"%u\" "
		    "width=\"2\" height=\"%d\"/>",
		    BAR_X + r->tick * BAR_W - 1, y - 3, BAR_H + 6);
	buf_addf(b, "<text x=\"%d\" y=\"%u\">", TEXT_X, y + BAR_H - 2);
	words_xml(b, r->text);
	buf_adds(b, "</text></g>\n");
}

void
chart_draw(struct chart *c, struct buf *b)
{
	buf_addf(b, "<figure><figcaption><b>%s</b> %s</figcaption>\n",
	    c->title, c->note);
	if (c->n > 0)
		buf_addf(b, "<svg xmlns=\"http://www.w3.org/2000/svg\" "
		    "viewBox=\"0 0 %d %zu\" role=\"img\" aria-label=\"%s\">\n",
		    WIDTH, c->n * ROW, c->title);
	for (size_t i = 0; i < c->n; i++)
		draw_bar(b, &c->bar[i], i);
	if (c->n > 0)
		buf_adds(b, "</svg>");
	else
		buf_adds(b, "<p>There is nothing to show.</p>");
	if (c->left_out > 0)
		buf_addf(b, "<p>and %zu more</p>", c->left_out);
	buf_adds(b, "</figure>\n");
	free(c->bar);
	c->bar = NULL;
	c->n = 0;
}
