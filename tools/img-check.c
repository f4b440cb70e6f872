/*
 * ferry-img check: are an image's tables in order?
 *
 * Exit status: 0: they are, or were repaired; 1: the check failed, or could
 * not read all of the image; 2: errors; 3: only leaked clusters; 63: this
 * format has nothing to check.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/node-image.h"
#include "block/node-open.h"
#include "qapi/qapi-visit-block.h"
#include "qapi/qobject-output-visitor.h"
#include "util/error-report.h"
#include "util/error.h"

#include "img.h"

#define EXIT_CORRUPT     2
#define EXIT_LEAKS       3
#define EXIT_UNSUPPORTED 63

/* Findings that are printed; the rest is counted. */
#define FINDINGS_MAX 50

typedef struct CheckArgs {
    GPtrArray *objects;
    bool image_opts;
    const char *format;
    const char *output;
    const char *repair;
    const char *source_cache;
    bool quiet;
    bool force_share;
} CheckArgs;

#define T CheckArgs
static const ToolOption options[] = {
    IMG_FORMAT(T),
    IMG_ROW('r', "repair", TOOL_STRING, offsetof(T, repair), "leaks|all",
            "repair leaked clusters, or everything"),
    IMG_OUTPUT(T),
    IMG_SOURCE_CACHE(T),
    IMG_FORCE_SHARE(T),
    IMG_QUIET(T),
    IMG_OBJECT(T),
    IMG_IMAGE_OPTS(T),
    {},
};
#undef T

typedef struct Findings {
    Tool *tool;
    unsigned n;
    unsigned n_repaired; /* of them */
} Findings;

/* To stderr, as what programs read from stdout are the counts. A damaged image
 * may have millions. */
static void print_finding(void *opaque, const char *text, bool repaired)
{
    Findings *f = opaque;

    if (f->n < FINDINGS_MAX && !f->tool->quiet) {
        fprintf(stderr, "%s: %s\n", repaired ? "Repairing" : "Found", text);
    }
    f->n++;
    f->n_repaired += repaired;
}

static void print_more(const Findings *f, bool ok)
{
    if (f->n <= FINDINGS_MAX || f->tool->quiet) {
        return;
    }
    fprintf(stderr, "and %u more (%u in all", f->n - FINDINGS_MAX, f->n);
    if (ok) {
        fprintf(stderr, ", %u repaired", f->n_repaired);
    }
    fprintf(stderr, ")\n");
}

typedef struct Check {
    Tool *tool;
    BlockNode *node;
    const char *filename;
    ImageCheck *result;
} Check;

typedef struct CheckRequest {
    BlockNode *node;
    unsigned fix;
    const NodeFindings *findings;
    ImageCheck *result;
    Error **errp;
} CheckRequest;

static int coroutine_fn check_entry(void *opaque)
{
    CheckRequest *r = opaque;

    return node_co_check(r->node, r->fix, r->findings, r->result, r->errp);
}

static bool check(Check *c, unsigned fix, const NodeFindings *findings,
                  Error **errp)
{
    ImageCheck *result = g_new0(ImageCheck, 1);
    CheckRequest r = { c->node, fix, findings, result, errp };

    result->filename = g_strdup(c->filename);
    result->format = g_strdup(node_driver_name(c->node));
    if (node_run_co(c->tool->ctx, check_entry, &r) < 0) {
        qapi_free_ImageCheck(result);
        return false;
    }
    qapi_free_ImageCheck(c->result);
    c->result = result;
    return true;
}

/* Repair, and look again, as one repair may bring another error to light; it
 * counts, but was told of. */
static bool check_twice(Check *c, unsigned fix, bool json, Error **errp)
{
    Findings f = { c->tool, 0, 0 };
    const NodeFindings findings = { print_finding, &f };
    int64_t corruptions_fixed, leaks_fixed;
    bool ok = check(c, fix, json ? NULL : &findings, errp);

    print_more(&f, ok);
    if (!ok) {
        return false;
    }
    corruptions_fixed = c->result->corruptions_fixed;
    leaks_fixed = c->result->leaks_fixed;
    if (!corruptions_fixed && !leaks_fixed) {
        return true;
    }
    if (!check(c, 0, NULL, errp)) {
        return false;
    }
    c->result->corruptions_fixed = corruptions_fixed;
    c->result->leaks_fixed = leaks_fixed;
    c->result->has_corruptions_fixed = true;
    c->result->has_leaks_fixed = true;
    return true;
}

static void print_json(ImageCheck *c)
{
    g_autoptr(json_t) value = NULL;
    Visitor *v = qobject_output_visitor_new(&value);

    c->has_corruptions = c->corruptions != 0;
    c->has_leaks = c->leaks != 0;
    c->has_corruptions_fixed = c->corruptions_fixed != 0;
    c->has_leaks_fixed = c->leaks_fixed != 0;
    visit_type_ImageCheck(v, NULL, &c, &error_abort);
    visit_complete(v, &value);
    visit_free(v);
    tool_print_json(value);
}

static void print_counts(Tool *tool, const ImageCheck *c)
{
    if (!c->corruptions && !c->leaks && !c->check_errors) {
        tool_printf(tool, "No errors were found on the image.\n");
        return;
    }
    if (c->corruptions) {
        tool_printf(tool,
                    "\n%" PRId64 " errors were found on the image.\n"
                    "Data may be corrupted, or further writes to the image "
                    "may corrupt it.\n",
                    c->corruptions);
    }
    if (c->leaks) {
        tool_printf(tool,
                    "\n%" PRId64 " leaked clusters were found on the image.\n"
                    "This means waste of disk space, but no harm to data.\n",
                    c->leaks);
    }
    if (c->check_errors) {
        tool_printf(tool,
                    "\n%" PRId64 " internal errors have occurred during the "
                    "check.\n",
                    c->check_errors);
    }
}

static void print_human(Tool *tool, const ImageCheck *c)
{
    print_counts(tool, c);
    if (c->total_clusters && c->allocated_clusters) {
        double allocated = (double)c->allocated_clusters;

        tool_printf(tool,
                    "%" PRId64 "/%" PRId64
                    " = %0.2f%% allocated, %0.2f%% fragmented, %0.2f%% "
                    "compressed clusters\n",
                    c->allocated_clusters, c->total_clusters,
                    allocated * 100.0 / (double)c->total_clusters,
                    (double)c->fragmented_clusters * 100.0 / allocated,
                    (double)c->compressed_clusters * 100.0 / allocated);
    }
    if (c->image_end_offset > 0) {
        tool_printf(tool, "Image end offset: %" PRId64 "\n",
                    c->image_end_offset);
    }
}

static void print_repaired(Tool *tool, const ImageCheck *c)
{
    if (c->corruptions_fixed || c->leaks_fixed) {
        tool_printf(tool,
                    "The following inconsistencies were found and repaired:\n\n"
                    "    %" PRId64 " leaked clusters\n"
                    "    %" PRId64 " corruptions\n\n"
                    "Double checking the fixed image now...\n",
                    c->leaks_fixed, c->corruptions_fixed);
    }
}

static int status_of(const ImageCheck *c)
{
    if (c->check_errors) {
        return EXIT_FAILURE;
    }
    if (c->corruptions) {
        return EXIT_CORRUPT;
    }
    return c->leaks ? EXIT_LEAKS : EXIT_SUCCESS;
}

static int check_image(Tool *tool, const CheckArgs *a, unsigned fix, bool json,
                       const char *filename)
{
    const ToolImage image = { .filename = filename,
                              .format = a->format,
                              .cache = a->source_cache,
                              .image_opts = a->image_opts,
                              .force_share = a->force_share,
                              .writable = fix != 0,
                              .flags = NODE_OPEN_CHECK | NODE_OPEN_NO_BACKING };
    Error *err = NULL;
    g_autoptr(BlockBackend) blk = tool_open(tool, &image, &err);
    g_autoptr(ImageCheck) result = NULL;
    Check c = { .tool = tool, .filename = filename };
    bool ok;

    if (!blk) {
        return img_fail(err);
    }
    c.node = node_skip_filters(blk_node(blk));
    if (!node_can_check(c.node)) {
        error_report("This image format does not support checks");
        return EXIT_UNSUPPORTED;
    }
    ok = check_twice(&c, fix, json, &err);
    result = c.result;
    if (!ok) {
        error_prepend(&err, "Check failed: ");
        return img_fail(err);
    }
    if (json) {
        print_json(result);
    } else {
        print_repaired(tool, result);
        print_human(tool, result);
    }
    return status_of(result);
}

static int run(Tool *tool, void *args, int npos, const char **pos)
{
    const CheckArgs *a = args;
    unsigned fix = 0;
    bool json;
    Error *err = NULL;

    tool->quiet = a->quiet;
    if (a->repair) {
        fix = g_str_equal(a->repair, "leaks") ? NODE_FIX_LEAKS
              : g_str_equal(a->repair, "all") ? NODE_FIX_LEAKS | NODE_FIX_ERRORS
                                              : 0;
        if (!fix) {
            error_setg(&err, "-r expects 'leaks' or 'all', not '%s'",
                       a->repair);
            return img_fail(err);
        }
    }
    if (!img_output_is_json(a->output, &json, &err)) {
        return img_fail(err);
    }
    return check_image(tool, a, fix, json, pos[0]);
}

extern const ToolCommand img_command_check;
const ToolCommand img_command_check = {
    .name = "check",
    .synopsis = "[OPTION]... FILE",
    .help = "check, and perhaps repair, an image",
    .more = "Exit status: 0: all is well; 1: the check failed, or could not\n"
            "read all of the image; 2: errors were found; 3: only leaked\n"
            "clusters were found; 63: nothing to check in this format.\n",
    .options = options,
    .args_size = sizeof(CheckArgs),
    .min_positional = 1,
    .max_positional = 1,
    .run = run,
};
