/* losses/README.md, from the losses' descriptors. */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "cli/describe.h"
#include "losses/losses.h"

static const char opening[] =
    "# Losses\n"
    "\n"
    "<!-- Made from the descriptors in this folder: build/retort help --markdown losses >losses/README.md -->\n"
    "\n"
    "One loss a file: file name, symbol (`rt_loss_NAME`) and recipe key are the same word. The files see\n"
    "`include/retort` alone. A recipe's `loss:` is a list of terms that add up, each times its own `weight`.\n"
    "\n"
    "    build/retort help loss/kl                # what stands below, in the terminal\n"
    "    build/retort loss kl --student s.npy --teacher t.npy --set temperature=4 --grad g.npy    # on arrays\n"
    "\n"
    "A loss on features reads a layer of each network. `student: layer2` and `teacher: layer2` in its term name them: "
    "a\n"
    "stage's output by torchvision's name (`layer1`, ...; VGG's and wide ResNets' `block1`, ...; MobileNetV2's\n"
    "`blocks.2`), `penultimate`, which is what the classifier reads, or any layer of `retort check`'s tables. By "
    "default\n"
    "it is the last map, or, where the loss takes vectors, `penultimate`.\n"
    "Of several teachers a term may name one by its number, from 0: `teacher: 1`, or `teacher: 1.layer2`.\n"
    "\n"
    "Conventions that decide what published numbers mean:\n"
    "\n"
    "- **Batch mean.** Each loss is the mean over the samples of its batch, unless its formula says otherwise.\n"
    "- **Weight.** It multiplies the gradient. What is logged, and what `retort loss` prints, is the loss at weight "
    "1;\n"
    "  the column `loss` of `results.csv` is the weighted sum. `warmup`, `start`, `stop`, `schedule` and "
    "`final_weight`\n"
    "  of a term change its weight from epoch to epoch (`retort help recipe`).\n"
    "- **Label smoothing** spreads its share over all classes, the true one included, as PyTorch's `label_smoothing`\n"
    "  does.\n"
    "- **Letters** in shapes are sizes, the same wherever they stand in one loss; N is the batch.\n";

/* The length of an arXiv number ("1503.02531"), or 0 where there is none. */
static size_t arxiv_number(const char *text)
{
    const char *end = text;
    while (isdigit((unsigned char)*end))
        ++end;
    if (end - text != 4 || *end != '.')
        return 0;
    for (++end; isdigit((unsigned char)*end); ++end)
        ;
    return (size_t)(end - text);
}

/* Prose on one line: what Markdown would take for its own is escaped, outside of `code`, and arXiv numbers are links.
 */
static void put_prose(const char *text, FILE *file)
{
    const char arxiv[] = "arXiv:";
    bool code = false;
    for (; *text; ++text) {
        size_t number = strncmp(text, arxiv, strlen(arxiv)) == 0 ? arxiv_number(text + strlen(arxiv)) : 0;
        if (number > 0 && !code) {
            int length = (int)(strlen(arxiv) + number);
            fprintf(file, "[%.*s](https://arxiv.org/abs/%.*s)", length, text, (int)number, text + strlen(arxiv));
            text += length - 1;
            continue;
        }
        code = code != (*text == '`');
        if (*text == '|' || (!code && strchr("*_<>[]\\", *text)))
            fputc('\\', file);
        fputc(*text == '\n' ? ' ' : *text, file);
    }
}

static void put_paragraph(const char *heading, const char *text, FILE *file)
{
    if (!text || !*text)
        return;
    fprintf(file, "\n**%s.** ", heading);
    put_prose(text, file);
    fputc('\n', file);
}

static void put_formula(const char *text, FILE *file)
{
    fputc('\n', file);
    while (text && *text) {
        size_t length = strcspn(text, "\n");
        fprintf(file, "    %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void put_ports(const rt_loss *loss, FILE *file)
{
    fprintf(file, "\n| reads | shape | |\n|---|---|---|\n");
    for (size_t i = 0; i < loss->port_count; ++i) {
        char words[96];
        rt_describe_port(&loss->ports[i], words, sizeof words);
        fprintf(file, "| `%s` | %s | %s |\n", loss->ports[i].name, loss->ports[i].shape, words);
    }
}

static void put_params(const rt_param *params, FILE *file)
{
    if (!params || !params->name)
        return;
    fprintf(file, "\n| parameter | type | default | range | meaning |\n|---|---|---|---|---|\n");
    for (const rt_param *param = params; param->name; ++param) {
        rt_param_words words;
        rt_describe_param(param, &words);
        fprintf(file, "| `%s` | %s | %s | ", param->name, words.type, words.usual);
        put_prose(words.range, file);
        fputs(" | ", file);
        put_prose(param->help, file);
        fputs(" |\n", file);
    }
}

static void put_properties(const rt_loss *loss, FILE *file)
{
    const char *separator = "\n**Always.** It ";
    for (size_t i = 0; rt_describe_property(i); ++i)
        if (loss->properties & 1u << i) {
            fprintf(file, "%s%s", separator, rt_describe_property(i));
            separator = "; it ";
        }
    if (loss->properties)
        fputs(".\n", file);
}

/* Which losses keep the size of their gradients by temperature^2 unless told not to. */
static void put_temperature_rule(FILE *file)
{
    const char *separator = "";
    fputs(
        "- **T^2.** With `temperature_squared: true` a loss is multiplied by temperature^2, so that its gradient keeps "
        "its\n  size while the temperature changes; without, value and gradient are T^2 times smaller. On by "
        "default:\n  ",
        file);
    for (size_t i = 0; i < rt_loss_count; ++i) {
        const rt_param *param = rt_param_find(rt_losses[i]->params, "temperature_squared");
        if (!param || param->default_number == 0.0)
            continue;
        fprintf(file, "%s`%s`", separator, rt_losses[i]->name);
        separator = ", ";
    }
    fputs("; off elsewhere.\n\n[CONTRIBUTING.md](../CONTRIBUTING.md#add-a-loss) shows how to add one.\n", file);
}

rt_status rt_markdown_losses(FILE *file, rt_error *err)
{
    fputs(opening, file);
    put_temperature_rule(file);
    fprintf(file, "\n| name | summary |\n|---|---|\n");
    for (size_t i = 0; i < rt_loss_count; ++i) {
        fprintf(file, "| [`%s`](#%s) | ", rt_losses[i]->name, rt_losses[i]->name);
        put_prose(rt_losses[i]->summary, file);
        fputs(" |\n", file);
    }
    for (size_t i = 0; i < rt_loss_count; ++i) {
        const rt_loss *loss = rt_losses[i];
        fprintf(file, "\n## %s\n\n", loss->name);
        put_prose(loss->summary, file);
        fputs(":\n", file);
        put_formula(loss->formula, file);
        put_ports(loss, file);
        put_params(loss->params, file);
        put_properties(loss, file);
        put_paragraph("Published", loss->published, file);
        put_paragraph("Reference", loss->reference, file);
    }
    return ferror(file) ? rt_fail(err, RT_ERROR_FILE, "cannot write the losses' page") : RT_OK;
}
