/* Photographs in a folder for each class, as torchvision's ImageFolder: ROOT/train/ants/0013035.jpg. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "datasets/file_list.h"

struct image_folder {
    int decoder;
};

static const rt_param params[] = {
    RT_ENUM(struct image_folder, decoder, RT_DECODER_AUTO, rt_decoder_names,
            "what decodes JPEG files: libjpeg-turbo where the build has it, or stb_image"),
    RT_PARAM_END,
};

enum { MOST_DEPTH = 8 };

static const char *const endings[] = {".jpg", ".jpeg", ".png"};

static bool is_image(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; ++i) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcasecmp(name + length - ending, endings[i]) == 0)
            return true;
    }
    return false;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* What a folder holds, sorted by bytes. */
typedef struct listing {
    struct dirent **entries;
    int count;
} listing;

static rt_status listing_open(listing *l, const char *path, rt_error *err)
{
    l->count = scandir(path, &l->entries, visible, by_bytes);
    if (l->count < 0)
        return rt_fail(err, RT_ERROR_FILE, "cannot open '%s': %s", path, strerror(errno));
    return RT_OK;
}

static void listing_close(listing *l)
{
    for (int i = 0; i < l->count; ++i)
        free(l->entries[i]);
    free(l->entries);
}

/* The images of a class, those of its sub-folders, too. */
static rt_status add_class(rt_file_list *list, const rt_data_path *folder, int64_t label, int depth, rt_error *err)
{
    listing l;
    if (depth > MOST_DEPTH)
        return rt_fail(err, RT_ERROR_FILE, "cannot read '%s': folders within folders, more than %d deep", folder->text,
                       MOST_DEPTH);
    RT_TRY(listing_open(&l, folder->text, err));
    rt_status status = RT_OK;
    for (int i = 0; i < l.count && status == RT_OK; ++i) {
        rt_data_path path;
        status = rt_data_path_join(&path, folder->text, l.entries[i]->d_name, err);
        if (status == RT_OK && is_folder(path.text))
            status = add_class(list, &path, label, depth + 1, err);
        else if (status == RT_OK && is_image(path.text))
            status = rt_file_list_add(list, path.text, label, err);
    }
    listing_close(&l);
    return status;
}

/* ROOT/train, or the first of ROOT/val and ROOT/test that is there. */
static rt_status find_split(const char *root, rt_split split, rt_data_path *folder, rt_error *err)
{
    static const char *const names[][2] = {[RT_SPLIT_TRAIN] = {"train", NULL}, [RT_SPLIT_TEST] = {"val", "test"}};
    for (size_t i = 0; i < 2 && names[split][i]; ++i) {
        RT_TRY(rt_data_path_join(folder, root, names[split][i], err));
        if (is_folder(folder->text))
            return RT_OK;
    }
    return rt_fail(err, RT_ERROR_FILE, "cannot find the folder %s in '%s'",
                   split == RT_SPLIT_TRAIN ? "'train'" : "'val' or 'test'", root);
}

/* A class is a number in each split alike: its place among the training folders where there are any. */
static rt_status name_classes(const char *root, const rt_data_path *folder, listing *classes, rt_error *err)
{
    rt_data_path train;
    RT_TRY(rt_data_path_join(&train, root, "train", err));
    const char *of = is_folder(train.text) ? train.text : folder->text;
    RT_TRY(listing_open(classes, of, err));
    int kept = 0;
    rt_status status = RT_OK;
    for (int i = 0; i < classes->count; ++i) {
        struct dirent *entry = classes->entries[i];
        rt_data_path path;
        if (status == RT_OK)
            status = rt_data_path_join(&path, of, entry->d_name, err);
        if (status == RT_OK && is_folder(path.text))
            classes->entries[kept++] = entry;
        else
            free(entry);
    }
    classes->count = kept;
    if (status == RT_OK && kept == 0)
        status = rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': it has no folder for a class", of);
    if (status != RT_OK)
        listing_close(classes);
    return status;
}

static int64_t number_of(const listing *classes, const char *name)
{
    for (int i = 0; i < classes->count; ++i)
        if (strcmp(classes->entries[i]->d_name, name) == 0)
            return i;
    return -1;
}

static rt_status add_split(rt_file_list *list, const rt_data_path *folder, const listing *classes, rt_error *err)
{
    listing l;
    RT_TRY(listing_open(&l, folder->text, err));
    rt_status status = RT_OK;
    for (int i = 0; i < l.count && status == RT_OK; ++i) {
        const char *name = l.entries[i]->d_name;
        rt_data_path path;
        status = rt_data_path_join(&path, folder->text, name, err);
        if (status != RT_OK || !is_folder(path.text))
            continue;
        int64_t label = number_of(classes, name);
        if (label < 0)
            status = rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': the training images have no class '%s'",
                             path.text, name);
        else
            status = add_class(list, &path, label, 1, err);
    }
    listing_close(&l);
    if (status == RT_OK && list->count == 0)
        status = rt_fail(err, RT_ERROR_FORMAT, "cannot read '%s': no .jpg, .jpeg or .png file in it", folder->text);
    return status;
}

static rt_status open_split(const void *settings, const char *root, uint64_t seed, rt_split split, rt_images *images,
                            rt_error *err)
{
    (void)seed;
    const struct image_folder *wish = settings;
    rt_data_path folder;
    listing classes;
    rt_file_list *list;
    *images = (rt_images){0};
    RT_TRY(find_split(root, split, &folder, err));
    RT_TRY(name_classes(root, &folder, &classes, err));
    rt_status status = rt_file_list_new((rt_decoder)wish->decoder, &list, err);
    if (status == RT_OK) {
        for (int i = 0; i < classes.count && status == RT_OK; ++i)
            status = rt_file_list_name_class(list, classes.entries[i]->d_name, err);
        if (status == RT_OK)
            status = add_split(list, &folder, &classes, err);
        if (status == RT_OK)
            status = rt_file_list_open(list, (size_t)classes.count, images, err);
        else
            rt_file_list_free(list);
    }
    listing_close(&classes);
    return status;
}

const rt_reader rt_reader_image_folder = {
    .name = "image_folder",
    .summary = "photographs of any size, JPEG and PNG, in a folder for each class",
    .files = "train/CLASS/*.jpg and val/CLASS/*.jpg (or test/); .jpeg and .png as well",
    .needs_root = true,
    .params = params,
    .settings_size = sizeof(struct image_folder),
    .open = open_split,
    .close = rt_file_list_close,
};
