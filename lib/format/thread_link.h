/*
 * A forest that grows and is cut, and tells the root of a node's tree, in
 * O(log n) however deep it is (Sleator and Tarjan 1983: link-cut trees).
 * Level 1, private to thread.c.
 */
#ifndef CM_THREAD_LINK_H
#define CM_THREAD_LINK_H

#include <stdint.h>

struct link;

/* n nodes, each a tree of its own; NULL: no memory. */
struct link *link_new(uint32_t n);
void	 link_free(struct link *);

uint32_t link_root(struct link *, uint32_t node);
/* The root of one tree becomes the child of a node of another. */
void	 link_join(struct link *, uint32_t root, uint32_t up);
/* A node, with all below it, becomes a tree. */
void	 link_cut(struct link *, uint32_t node);

#endif
