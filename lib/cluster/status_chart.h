/* Charts of horizontal bars as SVG, for status_html.c.  Level 3. */
#ifndef CM_STATUS_CHART_H
#define CM_STATUS_CHART_H

#include "base/buf.h"
#include "cluster/status_int.h"

#define CHART_BARS_MAX	40	/* more are not drawn; the tables have all */

struct bar {
	char		 label[CONF_NAME_MAX * 3];
	char		 text[3 * STATUS_SIZE];	/* its value in words */
	double		 part;		/* of the width: 0 to 1 */
	double		 tick;		/* a line across there; 0: none */
	enum level	 level;
};

struct chart {
	const char	*title;		/* XML, as all that is in no bar */
	const char	*note;		/* what the bars mean */
	struct bar	*bar;		/* freed by chart_draw */
	size_t		 n, left_out;
};

/* Room for one more bar; NULL when there are too many, or no memory. */
struct bar *chart_bar(struct chart *);
/* Adds the chart as a <figure>. */
void	 chart_draw(struct chart *, struct buf *);

#endif
