/* The first page of a memo's file. */
#ifndef RETORT_TRAIN_MEMO_HEADER_H
#define RETORT_TRAIN_MEMO_HEADER_H

#include "train/memo_file.h"

rt_status rt_memo_header_write(const rt_memo_key *key, unsigned char page[RT_MEMO_PAGE], rt_error *err);

/* Everything in the page is hostile. `path` is for messages. */
rt_status rt_memo_header_read(const unsigned char page[RT_MEMO_PAGE], const char *path, rt_memo_key *key,
                              rt_error *err);

#endif
