/* share.h - how much of a property test's random input a sanitized build tries. Sanitizers make everything several times slower, and
 * what they look for (misuse of memory, undefined behaviour) shows in any of the rounds; the release build, which every check runs
 * too, tries all of them against the property. */
#ifndef DREAMVLA_TESTS_UNIT_SHARE_H
#define DREAMVLA_TESTS_UNIT_SHARE_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
#define ROUNDS(whole) (((whole) + 3) / 4)
#else
#define ROUNDS(whole) (whole)
#endif

#endif
