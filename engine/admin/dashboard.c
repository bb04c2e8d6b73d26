#include "engine/admin/dashboard.h"

/* The build says where the whole page is, and the hashes of its style and script, which are all that may run. */
#ifndef DASHBOARD_PAGE
#define DASHBOARD_PAGE "engine/admin/dashboard.html"
#define DASHBOARD_STYLE "none"
#define DASHBOARD_SCRIPT "none"
#endif

/* gcc 14 does not know #embed. */
__asm__(".pushsection .rodata\n"
        ".global dashboard_start, dashboard_end\n"
        ".hidden dashboard_start, dashboard_end\n"
        "dashboard_start: .incbin \"" DASHBOARD_PAGE "\"\n"
        "dashboard_end: .byte 0\n"
        ".popsection\n");
extern const char dashboard_start[], dashboard_end[];

void dashboard_answer(struct admin_answer *answer)
{
	answer->type = "text/html; charset=utf-8";
	answer->headers = "Content-Security-Policy: default-src 'none'; connect-src 'self'; img-src data:; "
	                  "style-src '" DASHBOARD_STYLE "'; script-src '" DASHBOARD_SCRIPT "'; "
	                  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
	                  "Referrer-Policy: no-referrer\r\n";
	answer->constant = dashboard_start;
	answer->constant_bytes = (size_t)(dashboard_end - dashboard_start);
}
