#include "cmd/troved/configuration.h"

#include "engine/base/check.h"
#include "engine/base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static const struct option service_option_rows[] = {SERVICE_OPTIONS(OPTION_ROW)};

static void add_all(struct configuration *c)
{
	memset(c, 0, sizeof *c);
	option_add(&c->set, service_option_rows, COUNT_OF(service_option_rows), &c->service);
	option_add(&c->set, net_option_rows, net_option_count, &c->net);
	option_add(&c->set, shard_option_rows, shard_option_count, &c->shard);
	option_add(&c->set, admin_option_rows, admin_option_count, &c->admin);
	option_add(&c->set, memory_option_rows, memory_option_count, &c->memory);
	option_add(&c->set, journal_option_rows, journal_option_count, &c->journal);
	option_add(&c->set, commerce_option_rows, commerce_option_count, &c->commerce);
}

/* Addresses may name the data directory. */
static bool fill_addresses(const struct configuration *c, const char *key, struct option_list *list,
                           struct option_problem *problem)
{
	static const char place[] = "{data.directory}";
	for (unsigned i = 0; i < list->count; i++) {
		char text[2 * OPTION_TEXT_BYTES];
		char *found = strstr(list->item[i], place);
		if (found == NULL)
			continue;
		int n = snprintf(text, sizeof text, "%.*s%s%s", (int)(found - list->item[i]), list->item[i],
		                 c->service.data_directory, found + sizeof place - 1);
		if (n < 0 || n >= OPTION_TEXT_BYTES) {
			snprintf(problem->text, sizeof problem->text, "%s: the address is longer than %d bytes", key,
			         OPTION_TEXT_BYTES - 1);
			return false;
		}
		memcpy(list->item[i], text, (size_t)n + 1);
	}
	return true;
}

/* What one module's option says to another. */
static bool derive(struct configuration *c, struct option_problem *problem)
{
	c->shard.is_plane = c->service.space == 1;
	c->shard.workers = net_threads(&c->net);
	snprintf(c->journal_directory, sizeof c->journal_directory, "%s/journal", c->service.data_directory);
	c->journal.directory = c->journal_directory;
	c->net.message_bytes_max = (size_t)c->shard.message_bytes_max;
	c->net.reply_bytes_max = (size_t)c->shard.reply_bytes_max;
	if (c->net.reply.count + c->net.collect.count == 0) {
		snprintf(problem->text, sizeof problem->text, "events.reply, events.collect: both are empty; nobody could send");
		return false;
	}
	return fill_addresses(c, "events.reply", &c->net.reply, problem) &&
	       fill_addresses(c, "events.collect", &c->net.collect, problem) &&
	       fill_addresses(c, "events.publish", &c->net.publish, problem) &&
	       fill_addresses(c, "observe.listen", &c->admin.observe_listen, problem) &&
	       fill_addresses(c, "admin.listen", &c->admin.admin_listen, problem) &&
	       net_options_agree(&c->net, problem) && shard_options_agree(&c->shard, problem) &&
	       journal_options_agree(&c->journal, problem) && admin_options_agree(&c->admin, problem) &&
	       memory_pool_debug(&c->memory, &(unsigned){0}, problem);
}

bool configuration_load(struct configuration *c, const struct arguments *arguments, struct option_problem *problem)
{
	add_all(c);
	if (arguments->file != NULL && !configuration_read_yaml(&c->set, arguments->file, problem))
		return false;
	if (!option_set_environment(&c->set, arguments->environment, problem))
		return false;
	for (unsigned i = 0; i < arguments->assignment_count; i++) {
		struct option_problem inner;
		if (!option_set_assignment(&c->set, arguments->assignments[i], OPTION_FROM_command_line, &inner)) {
			snprintf(problem->text, sizeof problem->text, "--set %.480s", inner.text);
			return false;
		}
	}
	return derive(c, problem);
}

struct store_options configuration_store(const struct configuration *c)
{
	static const char *const kernels[] = {"auto", "scalar", "avx2", "avx512"};
	return (struct store_options){
		.is_plane = c->service.space == 1,
		.capacity = (uint64_t)c->service.rewards_capacity,
		.name_bytes = (unsigned)c->service.rewards_name_bytes,
		.readers_max = SHARD_READERS(c->shard.workers),
		.kernel = kernels[c->service.rewards_kernel],
	};
}

/* ---- --print-config ---------------------------------------------------------------- */

struct printer {
	FILE *out;
	char section[64];
};

static void print_range(FILE *out, const struct option *row)
{
	if (row->kind == OPTION_integer)
		fprintf(out, "integer from %" PRId64 " to %" PRId64 "%s%s", row->least, row->greatest,
		        row->unit[0] != '\0' ? " " : "", row->unit);
	else if (row->kind == OPTION_choice)
		fprintf(out, "one of %s", row->unit);
	else if (row->kind == OPTION_boolean)
		fprintf(out, "true or false");
	else if (row->kind == OPTION_list)
		fprintf(out, "list of at most %d", OPTION_LIST_MAX);
	else
		fprintf(out, row->kind == OPTION_secret ? "text that is not shown" : "text");
}

/* Text that YAML could take for something else is quoted. */
static void print_scalar(FILE *out, const char *text)
{
	bool plain = text[0] != '\0' && strpbrk(text, ":#{}[],&*?|<>=!%@`\"' ") == NULL;
	if (plain) {
		fputs(text, out);
		return;
	}
	fputc('\'', out);
	for (; *text != '\0'; text++)
		fprintf(out, *text == '\'' ? "''" : "%c", *text);
	fputc('\'', out);
}

static void print_value(FILE *out, const struct option *row, const void *value)
{
	char text[OPTION_LIST_MAX * (OPTION_TEXT_BYTES + 1)];
	if (row->kind != OPTION_list) {
		option_format(row, value, text, sizeof text);
		print_scalar(out, text);
		return;
	}
	const struct option_list *list = value;
	fputc('[', out);
	for (unsigned i = 0; i < list->count; i++) {
		fputs(i == 0 ? "" : ", ", out);
		print_scalar(out, list->item[i]);
	}
	fputc(']', out);
}

static void print_option(void *context, const struct option *row, const void *value, enum option_source source)
{
	struct printer *p = context;
	const char *dot = strchr(row->key, '.');
	size_t section = dot == NULL ? 0 : (size_t)(dot - row->key);
	const char *indent = dot == NULL ? "" : "  ";
	if (section != strlen(p->section) || strncmp(p->section, row->key, section) != 0) {
		snprintf(p->section, sizeof p->section, "%.*s", (int)section, row->key);
		fprintf(p->out, "%s:\n", p->section);
	}
	fprintf(p->out, "%s# %s\n%s# (", indent, row->help, indent);
	print_range(p->out, row);
	fprintf(p->out, "; %s; from %s)\n%s%s: ", row->change == OPTION_live ? "live" : "startup", option_source_name(source),
	        indent, dot == NULL ? row->key : dot + 1);
	print_value(p->out, row, value);
	fputc('\n', p->out);
}

void configuration_print(const struct configuration *c, FILE *out)
{
	struct printer p = {.out = out};
	option_visit(&c->set, print_option, &p);
}

/* ---- SIGHUP ------------------------------------------------------------------------ */

struct comparison {
	const struct configuration *newer;
};

static void take_option(void *context, const struct option *row, const void *value, enum option_source source)
{
	const struct comparison *comparison = context;
	char before[OPTION_LIST_MAX * (OPTION_TEXT_BYTES + 1)];
	char after[sizeof before];
	void *new_value;
	(void)source;
	CHECK(option_find(&comparison->newer->set, row->key, &new_value, NULL) != NULL, "option %s is gone", row->key);
	option_format(row, value, before, sizeof before);
	option_format(row, new_value, after, sizeof after);
	bool is_same = row->kind == OPTION_secret ? strcmp(value, new_value) == 0 : strcmp(before, after) == 0;
	if (is_same)
		return;
	if (row->change == OPTION_startup)
		log_warning("config", "%s: '%.200s' takes effect at the next start; now it is '%.200s'", row->key, after, before);
	else
		log_info("config", "%s: '%.200s', was '%.200s'", row->key, after, before);
}

void configuration_take_live(struct configuration *current, const struct configuration *newer)
{
	struct comparison comparison = {.newer = newer};
	option_visit(&current->set, take_option, &comparison);
	option_take_live(&current->set, &newer->set);
}
