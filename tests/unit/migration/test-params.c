/*
 * Settings: tables, ranges, checks across, all or nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/params.h"
#include "qapi/qapi-visit-migration.h"
#include "qapi/qobject-input-visitor.h"

typedef struct Settings {
    MigrationParams p;
    bool caps[MIGRATION_CAPABILITY__MAX];
} Settings;

static void settings_init(Settings *s)
{
    memset(s, 0, sizeof(*s));
    migration_params_init(&s->p);
}

static bool change(Settings *s, const char *text, bool running, Error **errp)
{
    g_autoptr(json_t) members = json_loads(text, 0, NULL);

    g_assert_nonnull(members);
    return migration_params_change(&s->p, members, running, s->caps, errp);
}

static void refuse(Settings *s, const char *text, bool running,
                   const char *word)
{
    g_autoptr(json_t) before = migration_params_json(&s->p);
    g_autoptr(json_t) after = NULL;
    g_autoptr(Error) err = NULL;

    g_assert_false(change(s, text, running, &err));
    if (!strstr(error_get_pretty(err), word)) {
        g_error("%s: '%s' does not name '%s'", text, error_get_pretty(err),
                word);
    }
    after = migration_params_json(&s->p);
    g_assert_true(json_equal(before, after));
}

/* The table and the schema are one list. */
static void test_table(void)
{
    Settings s;
    g_autoptr(json_t) all = NULL;
    MigrationParameters *params = NULL;
    g_autoptr(GHashTable) offsets = g_hash_table_new(NULL, NULL);
    Visitor *v;

    settings_init(&s);
    all = migration_params_json(&s.p);
    v = qobject_input_visitor_new(all);
    g_assert_true(
        visit_type_MigrationParameters(v, NULL, &params, &error_abort));
    visit_free(v);
    g_assert_true(params->has_direct_io && params->tls_creds);
    g_assert_cmpuint(params->max_bandwidth, ==, 128 << 20);
    g_assert_cmpuint(params->xbzrle_cache_size, ==, 64 << 20);
    g_assert_cmpint(params->multifd_compression, ==, MULTIFD_COMPRESSION_NONE);
    g_assert_cmpint(params->zero_page_detection, ==,
                    ZERO_PAGE_DETECTION_MULTIFD);
    qapi_free_MigrationParameters(params);
    for (const ParamDef *d = migration_param_table; d->name; d++) {
        /* No two share a member. */
        g_assert_true(
            g_hash_table_add(offsets, GSIZE_TO_POINTER(d->offset + 1)));
        if (d->kind == PARAM_NUMBER) {
            g_assert_cmpuint(d->def, >=, d->min);
            g_assert_cmpuint(d->def, <=, d->max);
        }
    }
    migration_params_clear(&s.p);
}

/* What users of other programs give: names, defaults and ranges are theirs. */
static const struct {
    const char *name;
    const char *global; /* -global migration.NAME; NULL: none */
    uint64_t def, min, max;
} public_params[] = {
    { "announce-initial", "announce-initial", 50, 0, 100000 },
    { "announce-max", "announce-max", 550, 0, 100000 },
    { "announce-rounds", "announce-rounds", 5, 0, 1000 },
    { "announce-step", "announce-step", 100, 1, 10000 },
    { "compress-level", "x-compress-level", 1, 0, 9 },
    { "compress-threads", "x-compress-threads", 8, 1, 255 },
    { "decompress-threads", "x-decompress-threads", 2, 1, 255 },
    { "throttle-trigger-threshold", "x-throttle-trigger-threshold", 50, 1,
      100 },
    { "cpu-throttle-initial", "x-cpu-throttle-initial", 20, 1, 99 },
    { "cpu-throttle-increment", "x-cpu-throttle-increment", 10, 1, 99 },
    { "max-cpu-throttle", "max-cpu-throttle", 99, 1, 99 },
    { "max-bandwidth", "x-max-bandwidth", 134217728, 0, INT64_MAX },
    { "avail-switchover-bandwidth", "avail-switchover-bandwidth", 0, 0,
      INT64_MAX },
    { "downtime-limit", "x-downtime-limit", 300, 0, 2000000 },
    { "max-postcopy-bandwidth", "max-postcopy-bandwidth", 0, 0, INT64_MAX },
    { "multifd-channels", "multifd-channels", 2, 1, 255 },
    { "multifd-zlib-level", "multifd-zlib-level", 1, 0, 9 },
    { "multifd-zstd-level", "multifd-zstd-level", 1, 0, 20 },
    { "xbzrle-cache-size", "xbzrle-cache-size", 67108864, 4096,
      UINT64_C(1) << 42 },
    { "x-vcpu-dirty-limit-period", "x-vcpu-dirty-limit-period", 1000, 1, 1000 },
    { "vcpu-dirty-limit", "vcpu-dirty-limit", 1, 1, INT64_MAX >> 20 },
    { "x-recovery-limit", "x-recovery-limit", 30000, 0, 3600000 },
    { "x-checkpoint-delay", "x-checkpoint-delay", 20000, 0, UINT32_MAX },
    { "x-clear-bitmap-shift", "x-clear-bitmap-shift", 18, 6, 31 },
};

static const struct {
    const char *name;
    const char *global;
    bool def;
} public_switches[] = {
    { "compress-wait-thread", "x-compress-wait-thread", true },
    { "cpu-throttle-tailslow", "x-cpu-throttle-tailslow", false },
    { "block-incremental", NULL, false },
    { "direct-io", "direct-io", false },
    { "store-global-state", "store-global-state", true },
    { "send-configuration", "send-configuration", true },
    { "send-section-footer", "send-section-footer", true },
    { "decompress-error-check", "decompress-error-check", true },
    { "x-postcopy-preempt-break-huge", "x-postcopy-preempt-break-huge", false },
};

static void test_public_table(void)
{
    static const char *const texts[] = { "tls-creds", "tls-hostname",
                                         "tls-authz" };

    for (size_t i = 0; i < G_N_ELEMENTS(public_params); i++) {
        const ParamDef *d = migration_param_find(public_params[i].name);

        g_assert_nonnull(d);
        g_assert_cmpint(d->kind, ==, PARAM_NUMBER);
        g_assert_cmpstr(d->global, ==, public_params[i].global);
        g_assert_cmpuint(d->def, ==, public_params[i].def);
        g_assert_cmpuint(d->min, ==, public_params[i].min);
        g_assert_cmpuint(d->max, ==, public_params[i].max);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(public_switches); i++) {
        const ParamDef *d = migration_param_find(public_switches[i].name);

        g_assert_nonnull(d);
        g_assert_cmpint(d->kind, ==, PARAM_BOOL);
        g_assert_cmpstr(d->global, ==, public_switches[i].global);
        g_assert_cmpint(d->def, ==, public_switches[i].def);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_cmpint(migration_param_find(texts[i])->kind, ==, PARAM_TEXT);
        g_assert_cmpstr(migration_param_find(texts[i])->global, ==, texts[i]);
    }
}

/* Both ends of every range, and one beyond. */
static void test_ranges(void)
{
    Settings s;

    settings_init(&s);
    for (const ParamDef *d = migration_param_table; d->name; d++) {
        const uint64_t good[] = { d->min, d->max };

        if (d->kind != PARAM_NUMBER ||
            g_str_equal(d->name, "max-cpu-throttle")) {
            continue;
        }
        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
            g_autofree char *text =
                g_strdup_printf("{\"%s\": %" PRIu64 "}", d->name, good[i]);

            g_assert_true(change(&s, text, false, &error_abort));
        }
        if (d->min > 0) {
            g_autofree char *text =
                g_strdup_printf("{\"%s\": %" PRIu64 "}", d->name, d->min - 1);

            refuse(&s, text, false, d->name);
        }
        if (d->max < INT64_MAX) {
            g_autofree char *text =
                g_strdup_printf("{\"%s\": %" PRIu64 "}", d->name, d->max + 1);

            refuse(&s, text, false, d->name);
        }
        {
            g_autofree char *text = g_strdup_printf("{\"%s\": -1}", d->name);

            refuse(&s, text, false, d->name);
        }
        migration_params_clear(&s.p);
        settings_init(&s);
    }
    migration_params_clear(&s.p);
}

static void test_across(void)
{
    Settings s;

    settings_init(&s);
    refuse(&s, "{\"max-cpu-throttle\": 10}", false, "max-cpu-throttle");
    refuse(&s, "{\"xbzrle-cache-size\": 5000}", false, "power of two");
    refuse(&s, "{\"multifd-channels\": 3, \"compress-level\": 10}", false,
           "compress-level");
    refuse(&s, "{\"nonsense\": 1}", false, "nonsense");
    refuse(&s, "{\"block-incremental\": true}", false, "block-incremental");
    g_assert_true(
        change(&s, "{\"block-incremental\": false}", false, &error_abort));
    refuse(&s, "{\"multifd-compression\": \"lzma\"}", false,
           "multifd-compression");
    refuse(&s, "{\"direct-io\": 1}", false, "direct-io");
    refuse(&s, "{\"tls-creds\": 1}", false, "tls-creds");
    s.caps[MIGRATION_CAPABILITY_MULTIFD] = true;
    s.caps[MIGRATION_CAPABILITY_ZERO_COPY_SEND] = true;
    refuse(&s, "{\"multifd-compression\": \"zstd\"}", false, "zero-copy-send");
    refuse(&s, "{\"tls-creds\": \"tls0\"}", false, "zero-copy-send");
    g_assert_true(change(&s, "{\"tls-creds\": null, \"tls-authz\": \"a\"}",
                         false, &error_abort));
    g_assert_cmpstr(s.p.tls_authz, ==, "a");
    g_assert_cmpstr(s.p.tls_creds, ==, "");
    migration_params_clear(&s.p);
}

static void test_while_running(void)
{
    Settings s;

    settings_init(&s);
    refuse(&s, "{\"multifd-channels\": 3}", true, "multifd-channels");
    refuse(&s, "{\"mode\": \"cpr-reboot\"}", true, "mode");
    /* The same value is no change. */
    g_assert_true(change(&s, "{\"multifd-channels\": 2}", true, &error_abort));
    g_assert_true(change(&s,
                         "{\"max-bandwidth\": 0, \"downtime-limit\": 20,"
                         " \"cpu-throttle-increment\": 5,"
                         " \"multifd-compression\": \"zlib\","
                         " \"compress-threads\": 2}",
                         true, &error_abort));
    g_assert_cmpuint(s.p.max_bandwidth, ==, 0);
    g_assert_cmpuint(s.p.compress_threads, ==, 2);
    migration_params_clear(&s.p);
}

static void test_text(void)
{
    const ParamDef *bw = migration_param_find("max-bandwidth");
    const ParamDef *limit = migration_param_find("downtime-limit");
    g_autoptr(json_t) mib = migration_param_parse(bw, "10", 20, &error_abort);
    g_autoptr(json_t) kib = migration_param_parse(bw, "10k", 0, &error_abort);
    g_autoptr(json_t) ms = migration_param_parse(limit, "10", 20, &error_abort);
    g_autoptr(Error) err = NULL;

    g_assert_cmpint(json_integer_value(mib), ==, 10 << 20);
    g_assert_cmpint(json_integer_value(kib), ==, 10 << 10);
    g_assert_cmpint(json_integer_value(ms), ==, 10);
    g_assert_null(migration_param_parse(bw, "-1", 20, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "max-bandwidth"));
}

/* -- capabilities ------------------------------------------------------------- */

static bool caps_ok(Settings *s, unsigned on, bool outgoing, bool incoming,
                    Error **errp)
{
    bool caps[MIGRATION_CAPABILITY__MAX];

    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        caps[i] = on & (1u << i);
    }
    return migration_caps_check(s->caps, caps, &s->p, NULL, outgoing, incoming,
                                errp);
}

#define C(cap) (1u << MIGRATION_CAPABILITY_##cap)

static void caps_refused(Settings *s, unsigned on, const char *word)
{
    g_autoptr(Error) err = NULL;

    g_assert_false(caps_ok(s, on, false, false, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), word));
}

static void test_capabilities(void)
{
    Settings s;

    settings_init(&s);
    g_assert_true(caps_ok(&s, C(XBZRLE) | C(COMPRESS), false, false, NULL));
    g_assert_true(caps_ok(&s,
                          C(MULTIFD) | C(POSTCOPY_RAM) | C(POSTCOPY_PREEMPT),
                          false, false, NULL));
    g_assert_true(caps_ok(&s, C(MAPPED_RAM) | C(MULTIFD), false, false, NULL));
    caps_refused(&s, C(POSTCOPY_PREEMPT), "postcopy-ram");
    caps_refused(&s, C(POSTCOPY_RAM) | C(X_IGNORE_SHARED), "x-ignore-shared");
    caps_refused(&s, C(MULTIFD) | C(COMPRESS), "compress");
    caps_refused(&s, C(ZERO_COPY_SEND), "multifd");
    caps_refused(&s, C(SWITCHOVER_ACK), "return-path");
    caps_refused(&s, C(AUTO_CONVERGE) | C(DIRTY_LIMIT), "dirty-limit");
    caps_refused(&s, C(RDMA_PIN_ALL), "rdma-pin-all");
    caps_refused(&s, C(MAPPED_RAM) | C(XBZRLE), "xbzrle");
    s.p.multifd_compression = MULTIFD_COMPRESSION_ZSTD;
    caps_refused(&s, C(ZERO_COPY_SEND) | C(MULTIFD), "multifd-compression");
    migration_params_clear(&s.p);
}

static void test_capabilities_live(void)
{
    Settings s;
    g_autoptr(Error) err = NULL;

    settings_init(&s);
    g_assert_true(caps_ok(&s, C(XBZRLE) | C(AUTO_CONVERGE) | C(EVENTS), true,
                          false, NULL));
    g_assert_true(caps_ok(&s, C(COMPRESS), true, false, NULL));
    g_assert_false(caps_ok(&s, C(MULTIFD), true, false, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "multifd"));
    g_assert_false(caps_ok(&s, C(POSTCOPY_RAM), false, true, NULL));
    g_assert_true(caps_ok(&s, C(RETURN_PATH), false, true, NULL));
    migration_params_clear(&s.p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/params/public-table", test_public_table);
    g_test_add_func("/migration/params/table", test_table);
    g_test_add_func("/migration/params/ranges", test_ranges);
    g_test_add_func("/migration/params/across", test_across);
    g_test_add_func("/migration/params/while-running", test_while_running);
    g_test_add_func("/migration/params/text", test_text);
    g_test_add_func("/migration/capabilities/pairs", test_capabilities);
    g_test_add_func("/migration/capabilities/live", test_capabilities_live);
    return g_test_run();
}
