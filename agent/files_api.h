#pragma once
/* SPDX-License-Identifier: Apache-2.0 */

/* /files/browse, /files/read, /files/download, /files/debug. See files_api.c. */

#include "agent/files.h"
#include "common/net/http_server.h"

void files_api_browse(const Files *f, HttpRequest *r);
void files_api_read(const Files *f, HttpRequest *r);
void files_api_download(const Files *f, HttpRequest *r);
void files_api_debug(const Files *f, HttpRequest *r);

/* Answers any outcome of files_*() but FILES_OK; `verb` is what cannot be done to a directory. */
void files_api_refuse(HttpRequest *r, int outcome, const char *path, const char *verb);
