/*
 * One slip for each promise of engine/base/attribute.h. Compiled by test_slips.sh with
 * -DSLIP_<name>, and must not compile; without any it must.
 *
 * The lines `slip NAME COMPILER WARNING` say who sees it; "analyzer" is gcc -fanalyzer.
 */
#include "engine/base/csv.h"
#include "engine/base/option.h"
#include "engine/base/source.h"
#include "proto/identifier.h"
#include "proto/number.h"
#include "proto/text.h"

#include <stdio.h>

void slips(const char *path, const char *text);

void slips(const char *path, const char *text)
{
	char room[64] = "";
	struct identifier id = {};
#ifdef SLIP_leak /* slip leak analyzer analyzer-malloc-leak */
	struct csv *csv = csv_open(path);
	if (csv != NULL)
		printf("%u", csv_columns(csv));
#endif
#ifdef SLIP_use_after_close /* slip use_after_close gcc use-after-free */
	struct csv *csv = csv_open(path);
	struct csv *other = csv;
	if (csv == NULL)
		return;
	csv_close(&csv);
	printf("%u", csv_columns(other));
#endif
#ifdef SLIP_free /* slip free analyzer analyzer-mismatching-deallocation */
	struct csv *csv = csv_open(path);
	source_free((struct source *)csv);
#endif
#ifdef SLIP_unchecked /* slip unchecked analyzer analyzer-possible-null-argument */
	struct csv *csv = csv_open(path);
	printf("%u", csv_columns(csv));
	csv_close(&csv);
#endif
#ifdef SLIP_dropped /* slip dropped gcc unused-result */ /* slip dropped clang unused-result */
	csv_open(path);
#endif
#ifdef SLIP_null /* slip null gcc nonnull */ /* slip null clang nonnull */
	struct csv *csv = csv_open(NULL);
	csv_close(&csv);
#endif
#ifdef SLIP_writes /* slip writes gcc stringop-overflow= */
	struct source *source = source_open(path);
	if (source != NULL)
		(void)source_line(source, room, 2 * sizeof room);
	source_close(&source);
#endif
#ifdef SLIP_reads /* slip reads gcc stringop-overread */
	(void)text_is_kind(room, 2 * sizeof room);
#endif
#ifdef SLIP_reads_name /* slip reads_name gcc stringop-overread */
	(void)(identifier_parse("17", 40, &id) && puts("parsed"));
#endif
#ifdef SLIP_small /* slip small gcc stringop-overflow= */ /* slip small clang array-bounds */
	char number[8];
	(void)number_format(0.1, number);
#endif
#ifdef SLIP_ignored /* slip ignored gcc unused-result */ /* slip ignored clang unused-result */
	identifier_parse(text, 2, &id);
#endif
	printf("%s%s%s%d", path, text, room, id.is_uuid);
}

#ifdef SLIP_returns_null /* slip returns_null clang nonnull */
const char *option_source_name(enum option_source source)
{
	(void)source;
	return NULL;
}
#endif
