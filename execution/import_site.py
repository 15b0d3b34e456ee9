"""Unpacks a zip archive into a folder of the home, whole or not at all, and deploys it to Netlify where that is asked for.

The archive is unpacked beside the folder and swapped in when it is complete, so that a failure leaves the old folder as it was.
Nothing in the archive is believed: not its names, not its sizes, not its kinds of file.
"""
import doe

import contextlib
import fcntl
import os
import shutil
import signal
import stat
import sys
import zipfile
import zlib

MOST_FILES = 10_000
MOST_FOLDERS = 10_000
MOST_DEPTH = 100
MOST_BYTES = 1024 ** 3
DEPLOY_SECONDS = 20 * 60
RESERVED = ('directives', 'execution', 'automations', 'anneal-tasks')
NEW, OLD = '.import-new', '.import-old'
UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError)


class Refused(Exception):
    """The payload or the archive asks for something that is not done; nothing was changed."""


def main() -> None:
    doe.validate()
    payload = doe.payload()
    # A cancelled run cleans up behind itself.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        home = os.path.realpath(os.environ.get('DOE_HOME') or os.getcwd())
        archive = find_archive(home, payload.get('zip'))
        target = find_target(home, payload.get('site_dir'), archive)
        print(f'importing {payload["zip"]} into {payload["site_dir"]}')
        files, size = import_archive(archive, target)
    except UNREADABLE as reason:
        sys.exit(f'import_site: the archive cannot be read: {reason}. {payload["site_dir"]} is as it was.')
    except (Refused, OSError) as reason:
        sys.exit(f'import_site: {reason}. Nothing was changed.')
    counted = f'{files} file' if files == 1 else f'{files} files'
    print(f'{payload["site_dir"]} now holds {counted}, {size} bytes')
    result = {'site_dir': payload['site_dir'], 'files': files, 'bytes': size}
    if payload.get('deploy_to'):
        result['deploy'] = deploy(os.path.relpath(target, home), payload)
    doe.progress(100, counted)
    doe.result(result)


def deploy(folder: str, payload: dict) -> dict:
    """Puts the folder online, and answers where. It stays imported also where that fails."""
    doe.progress(96, f'deploying to {payload["deploy_to"]}')
    request = {'site': payload['deploy_to'], 'dir': folder, 'draft': payload.get('draft', False)}
    try:
        answer = doe.integration('netlify', 'deploy', request, timeout=DEPLOY_SECONDS)
    except doe.IntegrationError as reason:
        sys.exit(f'import_site: {payload["site_dir"]} was imported, and Netlify did not take it: {reason}')
    print(f'deployed to {answer["url"]}')
    return answer


def find_archive(home: str, name: object) -> str:
    """The real path of the archive, inside the home."""
    path = inside(home, name, 'zip')
    if not os.path.isfile(path):
        raise Refused(f'zip {name!r} is not a file')
    if os.path.getsize(path) > MOST_BYTES:
        raise Refused(f'zip {name!r} is larger than {MOST_BYTES} bytes')
    return path


def find_target(home: str, name: object, archive: str) -> str:
    """The real path of the folder to fill, which need not exist; never one that the dispatcher or its user needs."""
    path = inside(home, name, 'site_dir')
    if path == home:
        raise Refused('site_dir is the home itself')
    parts = os.path.relpath(path, home).split(os.sep)
    if any(part.startswith('.') for part in parts):
        raise Refused(f'site_dir {name!r} is a hidden path')
    if parts[0].lower() in RESERVED or parts[0].lower().startswith('db.sqlite'):
        raise Refused(f'site_dir {name!r} lies in {parts[0]}, which is the dispatcher\'s own')
    if path.endswith((NEW, OLD)):
        raise Refused(f'site_dir must not end with {NEW} or {OLD}')
    if os.path.lexists(path) and not os.path.isdir(path):
        raise Refused(f'site_dir {name!r} is not a folder')
    if archive.startswith(path + os.sep):
        raise Refused('the archive lies in site_dir, and would go with the old folder')
    # No import writes hidden files: what has them is somebody's work, such as a repository.
    kept = sorted(entry for entry in listing(path) if hidden(entry) and entry != '.DS_Store')
    if kept:
        raise Refused(f'site_dir {name!r} holds {kept[0]}, which no import wrote: move the folder away first')
    return path


def inside(home: str, name: object, what: str) -> str:
    """The real path that `name` leads to, links and all; only one inside the home."""
    if not isinstance(name, str) or not name:
        raise Refused(f'{what} must be a path inside the home')
    plain_parts(name, what)
    path = os.path.realpath(os.path.join(home, name))
    if path != home and not path.startswith(home + os.sep):
        raise Refused(f'{what} {name!r} leads out of the home')
    return path


def plain_parts(name: str, what: str) -> list:
    """The parts of a path that is relative and goes only down; a folder's may end with a slash."""
    parts = name[:-1].split('/') if name.endswith('/') else name.split('/')
    if '\\' in name or '\0' in name or name.startswith('/') or name[1:2] == ':':
        raise Refused(f'{what} {name!r} is not a plain relative path')
    if any(part in ('', '.', '..') for part in parts):
        raise Refused(f'{what} {name!r} is not a plain relative path')
    return parts


def hidden(part: str) -> bool:
    """Whether a name is hidden; .well-known belongs to a site (RFC 8615)."""
    return part.startswith('.') and part != '.well-known'


def listing(folder: str) -> list:
    return os.listdir(folder) if os.path.isdir(folder) else []


def import_archive(archive: str, target: str) -> tuple:
    """Unpacks and swaps in; answers the number of files and bytes."""
    new, old = target + NEW, target + OLD
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with one_at_a_time(os.path.dirname(target)):
        mend(target, new, old)
        try:
            os.mkdir(new)
            counts = unpack(archive, new)
            swap(target, new, old)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return counts


@contextlib.contextmanager
def one_at_a_time(folder: str):
    """Holds the folder against other imports beside this one; the system lets go of it when the process ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print('waiting for another import beside this one')
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def mend(target: str, new: str, old: str) -> None:
    """Undoes what an import left that died: half-unpacked files go, an old folder comes back where nothing replaced it."""
    if os.path.isdir(old) and not os.path.lexists(target):
        print('an earlier import died while swapping: its old folder is back')
        os.rename(old, target)
    for left in (new, old):
        if os.path.isdir(left) and not os.path.islink(left):
            shutil.rmtree(left)


def swap(target: str, new: str, old: str) -> None:
    """Puts the new folder in the old one's place; whatever happens between, the old one comes back."""
    if not os.path.lexists(target):
        os.rename(new, target)
        return
    try:
        os.rename(target, old)
        os.rename(new, target)
    except BaseException:
        if os.path.lexists(old) and not os.path.lexists(target):
            os.rename(old, target)
        raise


def unpack(archive: str, folder: str) -> tuple:
    """Unpacks every entry into an empty folder. Counts what comes out, not what the archive says will."""
    with zipfile.ZipFile(archive) as source:
        entries = source.infolist()
        checked = [(entry, check(entry)) for entry in entries]
        check_numbers(checked)
        wanted = [(entry, parts) for entry, parts in checked if not passed_over(parts)]
        if len(wanted) < len(checked):
            print(f'left out {len(checked) - len(wanted)} hidden entries, which belong to no site')
        folders, files, size = {()}, 0, 0
        for entry, parts in wanted:
            make_folders(folder, parts if is_folder(entry) else parts[:-1], folders)
            if is_folder(entry):
                continue
            size += write_file(source, entry, os.path.join(folder, *parts), MOST_BYTES - size)
            files += 1
            if files % max(1, len(wanted) // 20) == 0:
                doe.progress(95 * files / len(wanted), f'file {files} of {len(wanted)}')
    if files == 0:
        raise Refused('the archive has no files')
    return files, size


def check(entry: zipfile.ZipInfo) -> list:
    """The parts of an entry's name; only a file's or folder's, and only one that stays inside."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise Refused(f'the entry {entry.filename!r} is a link')
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refused(f'the entry {entry.filename!r} is a special file')
    if entry.flag_bits & 1:
        raise Refused(f'the entry {entry.filename!r} is encrypted')
    # zipfile cuts a name at a NUL; the whole one is what was meant to be seen.
    return plain_parts(entry.orig_filename, 'the entry')


def check_numbers(checked: list) -> None:
    """Refuses what is too much by the archive's own word before anything is written; a name makes a folder of each part."""
    if sum(entry.file_size for entry, _ in checked) > MOST_BYTES:
        raise Refused(f'the archive unpacks to more than {MOST_BYTES} bytes')
    if sum(not is_folder(entry) for entry, _ in checked) > MOST_FILES:
        raise Refused(f'the archive has more than {MOST_FILES} files')
    folders = set()
    for entry, parts in checked:
        if len(parts) > MOST_DEPTH:
            raise Refused(f'the entry {entry.filename[:100]!r}… lies deeper than {MOST_DEPTH} folders')
        last = len(parts) if is_folder(entry) else len(parts) - 1
        folders.update('/'.join(parts[:depth]) for depth in range(1, last + 1))
        if len(folders) > MOST_FOLDERS:
            raise Refused(f'the archive has more than {MOST_FOLDERS} folders')


def is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith('/') or stat.S_ISDIR(entry.external_attr >> 16)


def passed_over(parts: list) -> bool:
    return parts[0] == '__MACOSX' or any(hidden(part) for part in parts)


def make_folders(root: str, parts: list, known: set) -> None:
    """Makes the folder of these parts and those above it, where they are not made yet."""
    for depth in range(1, len(parts) + 1):
        here = tuple(parts[:depth])
        if here in known:
            continue
        try:
            os.mkdir(os.path.join(root, *here))
        except FileExistsError:
            raise Refused(f'the name {"/".join(here)!r} stands for two things') from None
        known.add(here)


def write_file(source: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str, room: int) -> int:
    """Writes one file and answers its size; at most `room` bytes."""
    size = 0
    try:
        # Exclusively: a name that comes twice is refused, also where the disk does not tell A from a.
        with source.open(entry) as reader, open(path, 'xb') as writer:
            for chunk in iter(lambda: reader.read(1024 * 1024), b''):
                size += len(chunk)
                if size > room:
                    raise Refused(f'the archive unpacks to more than {MOST_BYTES} bytes')
                writer.write(chunk)
    except FileExistsError:
        raise Refused(f'the name {entry.filename!r} comes twice') from None
    if size != entry.file_size:
        raise Refused(f'the entry {entry.filename!r} has {size} bytes, not the {entry.file_size} that it claims')
    return size


if __name__ == '__main__':
    main()
