/*
 * sanitizer: tells the thread sanitizer about order that Concurrency Kit makes
 * with inline assembly, which it cannot see. Nothing in other builds.
 */
#ifndef ENGINE_BASE_SANITIZER_H
#define ENGINE_BASE_SANITIZER_H

#if defined(__SANITIZE_THREAD__)
#define SANITIZER_THREAD 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZER_THREAD 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZER_ADDRESS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZER_ADDRESS 1
#endif
#endif

#ifdef SANITIZER_THREAD
void __tsan_acquire(void *);
void __tsan_release(void *);
void AnnotateIgnoreReadsBegin(const char *, int);
void AnnotateIgnoreReadsEnd(const char *, int);
void AnnotateIgnoreWritesBegin(const char *, int);
void AnnotateIgnoreWritesEnd(const char *, int);
#define SANITIZER_ACQUIRE(object) __tsan_acquire(object)
#define SANITIZER_RELEASE(object) __tsan_release(object)
#define SANITIZER_IGNORE_BEGIN() \
	(AnnotateIgnoreReadsBegin(__FILE__, __LINE__), AnnotateIgnoreWritesBegin(__FILE__, __LINE__))
#define SANITIZER_IGNORE_END() \
	(AnnotateIgnoreWritesEnd(__FILE__, __LINE__), AnnotateIgnoreReadsEnd(__FILE__, __LINE__))
#else
#define SANITIZER_ACQUIRE(object) ((void)0)
#define SANITIZER_RELEASE(object) ((void)0)
#define SANITIZER_IGNORE_BEGIN() ((void)0)
#define SANITIZER_IGNORE_END() ((void)0)
#endif

#endif
