/* Snapshots of a world, the images that crashes leave of its folder, and rewards of a file. */
#include "tests/sim/world_inside.h"

#include "engine/base/clock.h"
#include "engine/journal/snapshot.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* ---- when the flusher has nothing to do ------------------------------------------------------------------ */

/* Files are made and dropped at the flusher's own pace: what the world sees must not depend on it. */
void world_rest(struct world *w)
{
	struct journal_stat stat;
	int64_t end_ns = clock_monotonic_ns() + (int64_t)SETTLE_MS * 1000000;
	unsigned looks = 0;
	for (;;) {
		journal_stat(shard_journal(w->shard), &stat);
		if (stat.is_at_rest || w->has_failed)
			break;
		if (clock_monotonic_ns() > end_ns) {
			world_fail(w, "step %u: the journal comes to no rest", w->step);
			break;
		}
		if (++looks % 64 == 0)
			clock_sleep_ms(1);
		sched_yield();
	}
	if (w->first_seq != 0 && stat.first > w->first_seq)
		w->report->files_left++;
	w->first_seq = stat.first;
	w->unsettled_bytes = 0;
}

/* ---- snapshots ------------------------------------------------------------------------------------------- */

/* What the process is about to do to a snapshot: here it may fail, or be gone. */
static int fault(void *context, enum snapshot_step step)
{
	struct world *w = context;
	(void)step;
	w->snapshot_calls++;
	if (w->snapshot_calls == w->image_at) {
		copy_folder(w->folder, w->image);
		w->has_image = true;
	}
	if (w->has_image)
		return EIO; /* gone: whatever is done from here on counts for nothing */
	return w->snapshot_calls == w->snapshot_fails_at ? ENOSPC : 0;
}

void world_choose_snapshots(struct world *w)
{
	static const int64_t bytes[] = {1, 3000, 12000, 40000};
	w->shard_options.snapshot_bytes = world_one_in(w, 6) ? 0 : bytes[world_below(w, 4)];
	w->shard_options.retention_ms = world_one_in(w, 4) ? 86400000 : world_below(w, 20000);
	w->snapshot_options = (struct snapshot_options){.fault = fault, .fault_context = w, .chunk_bytes = 1024 << world_below(w, 4)};
}

/* One look of the snapshots' thread, at what is durable. */
static void look(struct world *w)
{
	uint64_t before = disk_newest_snapshot(w->folder);
	w->snapshot_calls = 0;
	shard_step_snapshots(w->shard);
	uint64_t after = disk_newest_snapshot(w->folder);
	w->report->snapshots += after != before;
	w->report->snapshots_failed += w->snapshot_calls != 0 && after == before;
	if (w->snapshot_calls != 0)
		world_tell(w, "a snapshot: seq %llu, steps %u%s", (unsigned long long)after, w->snapshot_calls,
		           w->has_image ? "; the process is gone in the middle of it" : "");
}

void world_snapshot(struct world *w)
{
	world_settle(w);
	if (w->has_failed)
		return;
	w->snapshot_fails_at = world_one_in(w, 10) ? 1 + world_below(w, 12) : 0;
	look(w);
	w->snapshot_fails_at = 0;
	world_rest(w);
}

void world_crash_in_snapshot(struct world *w)
{
	w->image_at = 1 + world_below(w, 12);
	look(w);
	w->image_at = 0;
}

/* ---- what is left of the folder -------------------------------------------------------------------------- */

void world_use_image(struct world *w)
{
	if (!w->has_image)
		return;
	w->report->images++;
	w->has_image = false;
	copy_folder(w->image, w->folder);
}

/* The newest that is whole, and the journal behind the one before, must be enough for a start: so only one is damaged
 * until the next one was made. */
void world_damage_snapshot(struct world *w)
{
	uint64_t newest = disk_newest_snapshot(w->folder);
	if (newest == 0 || (newest <= w->damaged_seq && disk_snapshot_hash(w->folder, w->damaged_seq) == w->damaged_hash))
		return;
	if (w->damaged_seq != 0 && disk_snapshot_hash(w->folder, w->damaged_seq) != w->damaged_hash)
		w->damaged_seq = 0;
	if (!disk_has_older_snapshot(w->folder, newest, w->damaged_seq) && w->first_seq != 1)
		return;
	const char *how = disk_damage_snapshot(w->folder, newest, &w->random);
	w->damaged_seq = newest;
	w->damaged_hash = disk_snapshot_hash(w->folder, newest);
	w->report->damaged++;
	world_tell(w, "the snapshot of seq %llu is damaged: %s", (unsigned long long)newest, how);
}

/* ---- rewards of a file ------------------------------------------------------------------------------------ */

void world_choose_file(struct world *w)
{
	for (unsigned i = 1; i <= MODEL_REWARDS; i++)
		if (w->has_file && world_one_in(w, 2)) {
			w->file.is_there[i] = true;
			clients_draw_reward(&w->clients, &w->file.put[i], i);
		}
}

/* Rows change and go. One that is gone stays away: whether a removal by event still holds is then the next snapshot's. */
void world_change_file(struct world *w)
{
	for (unsigned i = 1; i <= MODEL_REWARDS; i++) {
		if (!w->file.is_there[i] || !world_one_in(w, 6))
			continue;
		if (world_one_in(w, 3))
			w->file.is_there[i] = false;
		else
			clients_draw_reward(&w->clients, &w->file.put[i], i);
	}
}

void world_load_file(struct world *w)
{
	for (unsigned i = 1; i <= MODEL_REWARDS; i++) {
		const struct ask *a = &w->file.put[i];
		if (!w->file.is_there[i])
			continue;
		const char *kind = a->kind[0] == '\0' ? "default" : a->kind;
		struct reward reward = {.id = wire_id_of(a->reward), .x = a->x, .y = a->y, .radius = a->radius, .value = a->value,
			.stock = a->stock, .from_ms = a->from_ms, .until_ms = a->until_ms, .benefit_value = a->benefit_value,
			.per_actor = a->per_actor, .benefit_type = a->benefit_type, .kind = kind, .kind_bytes = (uint32_t)strlen(kind),
			.name = a->name, .name_bytes = (uint32_t)strlen(a->name)};
		memcpy(reward.benefit_currency, a->currency, sizeof reward.benefit_currency);
		CHECK(store_put(w->store, &reward) == STATUS_ok, "no room for the file's rewards");
	}
	store_publish(w->store);
}
