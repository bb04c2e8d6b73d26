/*
 * process: what the kernel counts of this process, and allows it. Any thread; keeps nothing, opens a few files of /proc.
 */
#ifndef ENGINE_BASE_PROCESS_H
#define ENGINE_BASE_PROCESS_H

#include <stdint.h>

struct process_facts {
	int64_t cpu_ns;          /* user and system, all threads */
	uint64_t open_files;     /* descriptors */
	uint64_t open_files_max; /* the soft limit; UINT64_MAX: none */
};

/* What cannot be read is 0. */
void process_read(struct process_facts *facts);
/* Raises the soft limit of descriptors to the hard one. Returns what holds then; UINT64_MAX: none; 0: cannot be read. */
uint64_t process_raise_open_files(void);
/* Unix time of its start, by the clock as it is set now: to be asked once, and kept. 0: cannot be read. */
int64_t process_started_ms(void);

#endif
