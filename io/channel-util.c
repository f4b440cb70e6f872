/*
 * Channel class by kind of descriptor.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-util.h"

#include "io/channel-file.h"
#include "io/channel-socket.h"
#include "util/error.h"
#include "util/sockets.h"

QIOChannel *qio_channel_new_fd(int fd, Error **errp)
{
    if (fcntl(fd, F_GETFD) < 0) {
        error_setg_errno(errp, errno, "cannot use descriptor %d", fd);
        return NULL;
    }
    if (fd_is_socket(fd)) {
        QIOChannelSocket *sioc = qio_channel_socket_new_fd(fd, errp);

        return sioc ? QIO_CHANNEL(sioc) : NULL;
    }
    return QIO_CHANNEL(qio_channel_file_new_fd(fd));
}
