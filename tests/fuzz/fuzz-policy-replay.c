/*
 * Records of migrations, asked about again: any bytes are a record or an error,
 * and any numbers in its reports give decisions within the knobs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/policy-replay.h"
#include "qapi/json.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const uint8_t *data, size_t size, const char *policy,
                   const json_t *knobs)
{
    g_autoptr(GString) out = g_string_new(NULL);
    uint64_t differ = UINT64_MAX;
    Error *err = NULL;
    bool ok = policy_replay((const char *)data, size, policy, knobs, out,
                            &differ, &err);

    if (ok == (err != NULL) || ok == (differ == UINT64_MAX)) {
        abort();
    }
    error_free(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(json_t) knobs =
        json_pack("{s:b,s:i}", "auto-converge", 1, "cpu-throttle-initial", 20);

    replay(data, size, NULL, NULL);
    replay(data, size, "classic", knobs);
    return 0;
}
