/* What a journal takes at most. */
#include "engine/journal/inside.h"

void journal_bill(const struct journal_options *o, struct bill *bill)
{
	bill_add(bill, "journal", "data.buffer_bytes", 1, (uint64_t)o->buffer_bytes, "changes that wait for the disk");
	bill_add(bill, "journal", "", 1, sizeof(struct journal), "table of files, counters, a record that is read back");
	/* Files are no memory of ours: what the page cache holds of them the system takes back when it needs it. */
}
