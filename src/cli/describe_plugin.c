/* `retort help plugin`: losses of one's own. */
#include "cli/compile_command.h"
#include "cli/describe.h"

void rt_describe_plugin(FILE *file)
{
    char command[4608];
    rt_compile_command("my_divergence", command, sizeof command);
    fprintf(
        file,
        "A plugin is a loss of your own in one file, without building Retort anew.\n"
        "\n"
        "    retort new loss my_divergence            # writes my_divergence.c, a loss that works: change it\n"
        "    %s\n"
        "    retort gradcheck ./my_divergence.so      # whether it is right\n"
        "    retort train my.yaml --plugin ./my_divergence.so\n"
        "\n"
        "Where Retort is installed, pkg-config knows the flags as well:\n"
        "\n"
        "    cc -O3 -fPIC -shared $(pkg-config --cflags retort) -o my_divergence.so my_divergence.c\n"
        "\n"
        "A recipe can name plugins itself, by paths relative to its own folder:\n"
        "\n"
        "    plugins: [./my_divergence.so]\n"
        "    loss:\n"
        "      - my_divergence: {weight: 0.9, temperature: 2}\n"
        "\n"
        "A plugin is code that runs with your rights. `--plugin FILE.so` on the command line is consent; those that a\n"
        "recipe names are loaded with --allow-plugins alone, and so are those of a run that is resumed: its "
        "recipe.yaml\n"
        "holds their place and checksum, and a file that has changed is refused.\n"
        "\n"
        "list, help, loss, gradcheck, bench, check and train take --plugin. The contract is include/retort/loss.h, "
        "the\n"
        "built-in losses are written against the same headers and nothing else, and the number of the interface is\n"
        "compared when a plugin is loaded: after an update of Retort that changes it, compile again.\n",
        command);
}
