/* What the copy*.c files share; nobody else includes it.  Level 3. */
#ifndef CM_COPY_IMPL_H
#define CM_COPY_IMPL_H

#include "cluster/copy.h"

struct copy_ops {
	void	(*close)(struct copy *);
	int	(*list)(struct copy *, uint32_t **, size_t *);
	int	(*end)(struct copy *, uint32_t, uint32_t *);
	int	(*append)(struct copy *, uint32_t, uint32_t, const void *,
		    size_t);
	int	(*read)(struct copy *, uint32_t, uint32_t, void *, size_t);
	int	(*patch)(struct copy *, uint32_t, uint32_t, const void *,
		    size_t);
	int	(*cut)(struct copy *, uint32_t, uint32_t);
	int	(*sum)(struct copy *, uint32_t, uint32_t, uint32_t,
		    struct sum *);
};

/* The first member of each kind of copy. */
struct copy {
	const struct copy_ops *ops;
	const struct log *log;
};

/* A copy on another node, through its cm-stored. */
int	 copy_open_remote(const struct log *, const struct conf *,
	    const struct conf_volume *, size_t index,
	    const struct seg_meta *, struct copy **) CM_MUST;

#endif
