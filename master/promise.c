/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Promises
 *
 * What an operator changes is in the registry before he hears that it is done, and nobody waits for
 * a disk: the request is put aside. Its sender may be gone before it is answered; the change is
 * made all the same.
 */

#include "master/promise.h"

static void on_gone(HttpRequest *request _unused_, void *userdata) {
        ((Promise *) userdata)->request = NULL;
}

void promise_init(Promise *p, HttpRequest *request) {
        *p = (Promise) { .request = request };
        if (request)
                http_request_on_gone(request, on_gone, p);
}

void promise_keep(Promise *p, unsigned status) {
        HttpRequest *request = TAKE_PTR(p->request);

        if (request)
                http_request_answer(request, status, NULL, NULL, 0);
}

void promise_break(Promise *p, unsigned status, const char *text) {
        HttpRequest *request = TAKE_PTR(p->request);

        if (request)
                http_request_answer_text(request, status, "%s", text);
}
