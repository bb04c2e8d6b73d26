/*
 * human: a number of bytes as people read it. Any thread; nothing is kept.
 */
#ifndef ENGINE_BASE_HUMAN_H
#define ENGINE_BASE_HUMAN_H

struct human {
	char text[24];
};

/* "512 B", "396.1 MiB", "-1.5 GiB"; the text lives as long as the struct. */
struct human human_bytes(double bytes);

#endif
