/* retort version: what to quote in a bug report. */
#include <stdio.h>

#include <jansson.h>
#include <yaml.h>
#include <zlib.h>

#include "base/cpu.h"
#include "base/version.h"
#include "cli/command.h"
#include "engine/engine.h"
#include "report/table.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown compiler"
#endif

static int run(int argc, char **argv)
{
    if (argc > 1)
        return rt_command_misused(&rt_command_version, "unexpected argument '%s'", argv[1]);
    char cpu[128];
    rt_cpu_model(cpu, sizeof cpu);
    rt_table *table = rt_table_new("ll");
    rt_table_cell(table, "retort");
    rt_table_cell(table, "%s", RT_VERSION);
    rt_table_cell(table, "engine");
    rt_table_cell(table, "%s, kernels for %s", rt_engine_version(), rt_engine_isa());
    rt_table_cell(table, "compiler");
    rt_table_cell(table, "%s", COMPILER);
    rt_table_cell(table, "CPU");
    rt_table_cell(table, "%s, %d usable", cpu, rt_cpu_count());
    rt_table_cell(table, "libraries");
    rt_table_cell(table, "libyaml %s, jansson %s, zlib %s", yaml_get_version_string(), jansson_version_str(),
                  zlibVersion());
    rt_table_cell(table, "optional parts");
    rt_table_cell(table, "none built in");
    rt_error err = {0};
    rt_status status = rt_table_print(table, stdout, 0, &err);
    rt_table_free(table);
    return status == RT_OK ? RT_EXIT_OK : rt_command_failed(&rt_command_version, &err);
}

const rt_command rt_command_version = {
    .name = "version",
    .usage = "version",
    .summary = "versions of Retort and its libraries, compiler and CPU",
    .run = run,
};
