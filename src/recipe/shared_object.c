#include "recipe/shared_object.h"

#include <elf.h>
#include <string.h>

bool rt_shared_object_is_whole(const rt_bytes *file)
{
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    if (file->size < sizeof header)
        return false;
    memcpy(&header, file->data, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_type != ET_DYN || header.e_phentsize != sizeof segment || header.e_phnum == 0 ||
        header.e_phoff > file->size || header.e_phnum > (file->size - header.e_phoff) / sizeof segment)
        return false;
    for (size_t i = 0; i < header.e_phnum; ++i) {
        memcpy(&segment, file->data + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_offset > file->size || segment.p_filesz > file->size - segment.p_offset)
            return false;
    }
    return true;
}
