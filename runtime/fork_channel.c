/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runtime/fork_channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "runtime/sys.h"

long send_message(int fd, const void *data, size_t len, const int *fds, unsigned nr_fds) {
    char control[CMSG_SPACE(sizeof(int) * MAX_FDS)] = {0};
    struct iovec vector = {(void *)data, len};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    if (nr_fds) {
        struct cmsghdr *header = (struct cmsghdr *)(void *)control;

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * nr_fds);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * nr_fds);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * nr_fds);
    }
    return sys3(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
}

long receive_message(int fd, void *data, size_t len, int *ret_fds, unsigned *ret_nr_fds) {
    char control[CMSG_SPACE(sizeof(int) * MAX_FDS)];
    struct iovec vector = {data, len};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header = (struct cmsghdr *)(void *)control;
    long got;

    do
        got = sys3(SYS_recvmsg, fd, &message, MSG_CMSG_CLOEXEC);
    while (got == -EINTR);
    if (ret_nr_fds)
        *ret_nr_fds = 0;
    if (got > 0 && ret_nr_fds && message.msg_controllen >= sizeof(*header) && header->cmsg_type == SCM_RIGHTS) {
        *ret_nr_fds = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(ret_fds, CMSG_DATA(header), *ret_nr_fds * sizeof(int));
    }
    return got;
}
