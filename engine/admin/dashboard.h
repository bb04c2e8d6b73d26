/*
 * dashboard: the page at GET /, one file without outside assets. Its sources are dashboard.html, .css and .js beside this;
 * the build puts them together. What it shows it asks of the other pages. Any thread; constant.
 */
#ifndef ENGINE_ADMIN_DASHBOARD_H
#define ENGINE_ADMIN_DASHBOARD_H

#include "engine/admin/route.h"

void dashboard_answer(struct admin_answer *answer);

#endif
