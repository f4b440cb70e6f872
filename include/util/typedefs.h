/*
 * Forward declarations of the types that many folders name but do not look
 * into. A header includes another only for what it holds by value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_TYPEDEFS_H
#define UTIL_TYPEDEFS_H

typedef struct AioContext AioContext;
typedef struct Coroutine Coroutine;
typedef struct Error Error;
typedef struct EventNotifier EventNotifier;
typedef struct Notifier Notifier;
typedef struct NotifierList NotifierList;
typedef struct Object Object;
typedef struct ObjectClass ObjectClass;
typedef struct QEMUBH QEMUBH;
typedef struct QEMUIOVector QEMUIOVector;
typedef struct QEMUTimer QEMUTimer;
typedef struct QIOChannel QIOChannel;
typedef struct QemuMutex QemuMutex;
typedef struct TypeInfo TypeInfo;
typedef struct Visitor Visitor;

#endif
