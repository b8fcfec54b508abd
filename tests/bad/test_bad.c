/* Every broken recipe in this folder against the exact messages it must give.
 *
 * NAME.yaml is loaded with the overrides in NAME.args (one a line), and what is said is compared with NAME.expected.
 * The working directory is tests/, so that messages begin "bad/NAME.yaml:". `test_bad --write` rewrites the .expected
 * files; read the difference before committing it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "recipe/recipe.h"

enum { FEWEST = 60, MOST_OVERRIDES = 16 };

static bool rewrite;

/* A file beside the recipe, whole; empty where there is none. */
static char *read_beside(const char *recipe, const char *suffix)
{
    char path[512];
    snprintf(path, sizeof path, "%.*s%s", (int)(strlen(recipe) - strlen(".yaml")), recipe, suffix);
    rt_bytes bytes = {0};
    if (rt_file_read(path, 1 << 20, &bytes, NULL) == RT_OK)
        return (char *)bytes.data;
    return calloc(1, 1);
}

static size_t split_lines(char *text, const char **lines)
{
    size_t count = 0;
    for (char *line = strtok(text, "\n"); line && count < MOST_OVERRIDES; line = strtok(NULL, "\n"))
        lines[count++] = line;
    return count;
}

static char *messages_of(const rt_diagnostics *diagnostics)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    rt_diagnostics_print(diagnostics, file);
    fclose(file);
    return text;
}

static void print_lines(const char *text, char sign)
{
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        print_error("  %c %.*s\n", sign, (int)length, text);
    }
}

static bool check(const char *path)
{
    char *arguments = read_beside(path, ".args"), *expected = read_beside(path, ".expected");
    const char *overrides[MOST_OVERRIDES];
    size_t count = split_lines(arguments, overrides);
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    rt_status status = rt_recipe_load(path, overrides, count, RT_RECIPE_TRAIN, NULL, &recipe, &diagnostics);
    char *got = messages_of(&diagnostics);

    bool good = status == RT_ERROR_USAGE && !recipe && strcmp(got, expected) == 0;
    if (rewrite) {
        char name[512];
        rt_error err = {0};
        snprintf(name, sizeof name, "%.*s.expected", (int)(strlen(path) - strlen(".yaml")), path);
        good = status == RT_ERROR_USAGE && rt_file_write(name, &(rt_piece){got, strlen(got)}, 1, &err) == RT_OK;
    }
    if (!good) {
        print_error("%s\n", path);
        print_lines(expected, '-');
        print_lines(got, '+');
        if (status != RT_ERROR_USAGE)
            print_error("  it was to be refused; the status is \"%s\"\n", rt_status_name(status));
    }
    rt_recipe_free(recipe);
    rt_diagnostics_free(&diagnostics);
    free(got);
    free(expected);
    free(arguments);
    return good;
}

static void every_recipe_gives_its_messages(void **state)
{
    (void)state;
    glob_t found;
    assert_int_equal(glob("bad/*.yaml", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= FEWEST);
    size_t wrong = 0;
    for (size_t i = 0; i < found.gl_pathc; ++i)
        wrong += !check(found.gl_pathv[i]);
    globfree(&found);
    assert_int_equal(wrong, 0);
}

/* What is too large or too odd to keep as a file: `text` must give exactly `expected`. */
static void expect(const char *text, size_t size, const char *expected)
{
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    rt_status status = rt_recipe_parse("made", text, size, NULL, 0, RT_RECIPE_TRAIN, NULL, &recipe, &diagnostics);
    char *got = messages_of(&diagnostics);
    assert_string_equal(got, expected);
    assert_int_equal(status, RT_ERROR_USAGE);
    assert_null(recipe);
    free(got);
    rt_diagnostics_free(&diagnostics);
}

/* `before`, `count` times `piece`, `after`. */
static char *repeat(const char *before, const char *piece, size_t count, const char *after)
{
    size_t size = strlen(before) + count * strlen(piece) + strlen(after) + 1;
    char *text = malloc(size), *end = text;
    assert_non_null(text);
    end = stpcpy(end, before);
    for (size_t i = 0; i < count; ++i)
        end = stpcpy(end, piece);
    stpcpy(end, after);
    return text;
}

static void what_is_not_text_is_refused(void **state)
{
    (void)state;
#define EXPECT(text, expected) expect(text, sizeof(text) - 1, expected)
    EXPECT("retort: 1\nseed: \xff\n", "made:2:7: byte 0xff is not UTF-8; a recipe is UTF-8 text\n");
    EXPECT("# \xc3\xa4\r\n# \xe2\x82\n", "made:2:3: byte 0xe2 is not UTF-8; a recipe is UTF-8 text\n");
    EXPECT("# \xc3\xa4 \xc0\x80", "made:1:5: byte 0xc0 is not UTF-8; a recipe is UTF-8 text\n");
    EXPECT("# \xed\xa0\x80", "made:1:3: byte 0xed is not UTF-8; a recipe is UTF-8 text\n");
    EXPECT("\xff\xfer\0e\0", "made:1:1: byte 0xff is not UTF-8; a recipe is UTF-8 text\n");
    EXPECT("retort: 1\n\0", "made:2:1: character U+0000 is not allowed in a recipe\n");
    EXPECT("retort: \x1b[31m1\n", "made:1:9: character U+001B is not allowed in a recipe\n");
    EXPECT("\xef\xbb\xbfretort\n", "made:1:1: the recipe is 'retort'; it must be a mapping\n");
#undef EXPECT
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    char *text = repeat("retort: 1\ndata:\n  root: ", "x", 64 * 1024 + 1, "\n");
    assert_int_equal(text[26], 'x');
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    assert_int_equal(
        rt_recipe_parse("made", text, strlen(text), NULL, 0, RT_RECIPE_SYNTHETIC, NULL, &recipe, &diagnostics),
        RT_ERROR_USAGE);
    char *got = messages_of(&diagnostics);
    assert_string_equal(got, "made:1:1: missing section 'student'\n"
                             "made:1:1: missing section 'loss'\n"
                             "made:3:9: a word of 65537 bytes; at most 65536 are allowed\n");
    free(got);
    rt_diagnostics_free(&diagnostics);
    free(text);

    text = repeat("retort: ", "[", 100000, "");
    expect(text, strlen(text), "made:1:40: nested deeper than 32 levels\n");
    free(text);

    text = repeat("retort: [", "1,", 20000, "]");
    expect(text, strlen(text), "made:1:40006: too many values; a recipe has at most 20000, aliases expanded\n");
    free(text);

    text = repeat("", "#", (1 << 20) + 1, "");
    char path[] = "/tmp/retort-test-XXXXXX", expected[200];
    assert_true(mkstemp(path) >= 0);
    rt_error err = {0};
    assert_int_equal(rt_file_write(path, &(rt_piece){text, strlen(text)}, 1, &err), RT_OK);
    assert_int_equal(rt_recipe_load(path, NULL, 0, RT_RECIPE_TRAIN, NULL, &recipe, &diagnostics), RT_ERROR_FORMAT);
    snprintf(expected, sizeof expected, "cannot read '%s': 1048577 bytes; at most 1048576 are allowed\n", path);
    got = messages_of(&diagnostics);
    assert_string_equal(got, expected);
    free(got);
    rt_diagnostics_free(&diagnostics);
    remove(path);
    free(text);
}

static void what_cannot_be_read_is_said(void **state)
{
    (void)state;
    rt_recipe *recipe = NULL;
    rt_diagnostics diagnostics = {0};
    assert_int_equal(rt_recipe_load("bad/absent", NULL, 0, RT_RECIPE_TRAIN, NULL, &recipe, &diagnostics),
                     RT_ERROR_FILE);
    assert_int_equal(rt_recipe_load("bad", NULL, 0, RT_RECIPE_TRAIN, NULL, &recipe, &diagnostics), RT_ERROR_FILE);
    char *got = messages_of(&diagnostics);
    assert_string_equal(got, "cannot open 'bad/absent': No such file or directory\n"
                             "cannot read 'bad': not a regular file\n");
    free(got);
    rt_diagnostics_free(&diagnostics);
}

int main(int argc, char **argv)
{
    rewrite = argc > 1 && strcmp(argv[1], "--write") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recipe_gives_its_messages),
        cmocka_unit_test(what_is_not_text_is_refused),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(what_cannot_be_read_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
