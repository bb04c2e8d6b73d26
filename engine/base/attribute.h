/*
 * attribute: what a function promises about pointers, in the form that compilers and
 * analyzers check. Used only where a slip then gives a warning; tests/analyze/slips.c has
 * one slip for each, and test_slips.sh fails when it is no longer seen.
 *
 *   OWNED_BY(free)   the result is the caller's until free(result); NULL: there is none.
 *                    Seen: a leak, a use after free, no look at NULL
 *   NEEDS(n, ...)    arguments (from 1) that are not NULL
 *   NEVER_NULL       nor is the result; it is borrowed, the header says from whom
 *   READS(p, n)      argument p points to as many as argument n says (bytes for void)
 *   WRITES(p, n)     the same, written; seen: a buffer that is too small
 *
 * A parameter `char text[static N]` says the same of a fixed size, to both compilers.
 */
#ifndef ENGINE_BASE_ATTRIBUTE_H
#define ENGINE_BASE_ATTRIBUTE_H

#define NEEDS(...) gnu::nonnull(__VA_ARGS__)
#define NEVER_NULL gnu::returns_nonnull

/* clang 19 has neither; what it does not see gcc's build does. */
#ifdef __clang__
#define OWNED_BY(function) nodiscard
#define READS(pointer, count)
#define WRITES(pointer, count)
#else
#define OWNED_BY(function) nodiscard, gnu::__malloc__(function, 1)
#define READS(pointer, count) gnu::access(read_only, pointer, count)
#define WRITES(pointer, count) gnu::access(write_only, pointer, count)
#endif

#endif
