/*
 * Authorization: may the identity that a peer has proved use this service?
 *
 * Who the peer is was settled before (TLS certificate, pre-shared key, SASL);
 * an object of this class answers whether that identity is let in. A network
 * service takes the id of such an object (`tls-authz`, `sasl-authz`).
 * Whatever cannot be decided is a refusal.
 *
 * Identities are text: the distinguished name of a certificate, its parts in
 * the order of the certificate (`O=Example,CN=laptop.example.org`; escapes as
 * in RFC 4514), a PSK or SASL user name.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef AUTHZ_BASE_H
#define AUTHZ_BASE_H

#include "qom/object.h"

#define TYPE_QAUTHZ "authz"

OBJECT_DECLARE_TYPE(QAuthZ, QAuthZClass, QAUTHZ)

struct QAuthZ {
    Object parent_obj;
};

struct QAuthZClass {
    ObjectClass parent_class;

    /**
     * is_allowed: mandatory
     * @authz: (in) a completed object
     * @identity: (in) who asks; never NULL
     * @errp: (out) set when the question could not be answered
     *
     * Thread: any, several at a time.
     * Returns: true = let in; false = refused, with or without an error.
     */
    bool (*is_allowed)(QAuthZ *authz, const char *identity, Error **errp);
};

/**
 * qauthz_is_allowed:
 * @authz: (in) the object to ask
 * @identity: (in) what the peer proved to be
 * @errp: (out) why there is no answer
 *
 * A refusal by the rules is an answer and sets no error. An authz-pam object
 * asks PAM, whose modules may block (network, files): the caller chooses the
 * thread.
 *
 * Thread: any.
 * Returns: true only when @identity is let in.
 * Errors: the rules cannot be consulted (PAM failed, class has no check).
 */
bool qauthz_is_allowed(QAuthZ *authz, const char *identity, Error **errp);

/**
 * qauthz_is_allowed_by_id:
 * @authzid: (in) id of an object below /objects
 * @identity: (in) what the peer proved to be
 * @errp: (out) why there is no answer
 *
 * As qauthz_is_allowed(), for the object that has the id at this moment.
 *
 * Thread: any.
 * Returns: true only when @identity is let in.
 * Errors: no such object, or it is no authorization object.
 */
bool qauthz_is_allowed_by_id(const char *authzid, const char *identity,
                             Error **errp);

/**
 * qauthz_check_id:
 * @authzid: (in) id that a service was configured with
 * @errp: (out) what is wrong with it
 *
 * For the start of a service: a wrong id must fail there and not when the
 * first peer connects.
 *
 * Returns: true if @authzid names an authorization object.
 * Errors: no such object, or it is no authorization object.
 */
bool qauthz_check_id(const char *authzid, Error **errp);

#endif
