#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* Stock: what one agent has, and how much of it nobody holds. See stock.c. */

#include "common/base/macro.h"
#include "common/model/resources.h"

typedef struct Stock {
        Resources *total;       /* owned */
        Resources *free;        /* owned; within total */
        Resources *missing;     /* owned; held beyond the total; NULL: nothing */
        bool plain;             /* nothing reserved, revocable or shared: for everybody */
        bool gpus;
} Stock;

#define STOCK_NULL ((Stock) {})

int stock_init(Stock *s, const Resources *total);
void stock_deinit(Stock *s);
int stock_set_total(Stock *s, const Resources *total);

/* Resources may have an allocation role, which doesn't matter here. */
int stock_take(Stock *s, const Resources *r);
int stock_give_back(Stock *s, const Resources *r);
