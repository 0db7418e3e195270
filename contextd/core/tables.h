/* The tables of the context store: their order is their identity on disk, new ones go to the end. */
#pragma once

#include "common/store/store.h"

enum contextd_table {
    TABLE_COUNTERS, /* "counters" -> all counters of the store, written once per batch */
    TABLE_ENTRY,    /* namespace 0 key -> entry with its value; a list by prefix is a range */
    TABLE_DELETED,  /* namespace 0 key -> the version at which the key was deleted, so that lists never meet the dead */
    TABLE_TASK,     /* task id -> highest fence seen, number of streams */
    TABLE_STREAM,   /* namespace 0 task id, fence, name -> stream; the streams of a task, and of a run, are a range */
    TABLE_CHUNK,    /* stream number, offset -> a piece of the stream's bytes */
    TABLE_LOCK,     /* namespace 0 name 0 fence -> a lock that is held */
    TABLE_EXPIRY,   /* due, kind, key of what ends then -> empty */
    TABLE_MAILBOX,  /* namespace 0 mailbox -> how many messages and bytes it has */
    TABLE_MESSAGE,  /* namespace 0 mailbox 0 id -> a message */
    TABLE_CURSOR,   /* namespace 0 mailbox 0 reader -> how far that one has read a shared mailbox */
    TABLE_REQUEST,  /* namespace 0 mailbox 0 request -> the message that this request became */
    CONTEXTD_TABLES,
};

#define CONTEXTD_STORE_VERSION 2

extern const struct store_schema contextd_schema;
