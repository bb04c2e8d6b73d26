/*
 * deny_placement: makes the kernel refuse this process what docker's default seccomp
 * profile refuses, mbind and set_mempolicy and, if asked for, get_mempolicy, with EPERM. It cannot be taken back and is
 * inherited, so it belongs in a forked child.
 */
#ifndef TESTS_SUPPORT_DENY_PLACEMENT_H
#define TESTS_SUPPORT_DENY_PLACEMENT_H

/* false where there are no such filters, as under an emulator. */
bool deny_placement(bool and_asking);

#endif
