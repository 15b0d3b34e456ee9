"""Packs a folder of the home, built first where asked, and deploys it to Netlify.

Works on copies below builds/, removed at the end: the project stays as it was acknowledged, also for a second attempt.
"""
import doe

import os
import shutil
import signal
import subprocess
import sys

MOST_FILES = 20_000
DEPLOY_SECONDS = 20 * 60
# What only a run may hold, and a build has no use for.
NOT_FOR_BUILDS = ('MCP_URL', 'DOE_RUN_KEY', 'DOE_RESULT_FILE')
# Where the home keeps policy, scripts and evidence.
NOT_A_PROJECT = ('directives', 'execution', 'automations', 'anneal-tasks')


class Refused(Exception):
    """The payload asks for something that is not done; nothing was deployed."""


def main() -> None:
    doe.validate()
    payload = doe.payload()
    # A cancelled run cleans up behind itself.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    home = os.path.realpath(os.environ.get('DOE_HOME') or os.getcwd())
    work = os.path.join(home, 'builds', sys.argv[1])
    if os.path.realpath(work) != work:
        sys.exit('deploy_project: builds/ is a link: remove it. Nothing was deployed.')
    try:
        # What a killed attempt left.
        clean(work)
        deploy(home, work, payload)
    except Refused as reason:
        sys.exit(f'deploy_project: {reason}. Nothing was deployed.')
    except OSError as reason:
        sys.exit(f'deploy_project: {reason}')
    except doe.IntegrationError as reason:
        sys.exit(f'deploy_project: Netlify did not take it: {reason}')
    finally:
        clean(work)


def deploy(home: str, work: str, payload: dict) -> None:
    project = folder_inside(home, payload.get('project_dir'), 'project_dir')
    if (work + os.sep).startswith(project + os.sep):
        raise Refused('project_dir must be neither the home itself nor builds/')
    if os.path.relpath(project, home).split(os.sep)[0].lower() in NOT_A_PROJECT:
        raise Refused(f'project_dir must not lie in {", ".join(NOT_A_PROJECT)}')
    if payload.get('build_command'):
        project = build(project, os.path.join(work, 'project'), payload['build_command'])
    publish = folder_inside(project, payload.get('publish_dir', '.'), 'publish_dir')
    doe.progress(50, 'packing')
    packed = os.path.join(work, 'site')
    files, size = pack(publish, packed)
    print(f'packed {files} files, {size} bytes')
    if not os.path.exists(os.path.join(packed, 'index.html')):
        print('warning: there is no index.html, so the site has no front page')
    doe.progress(60, f'deploying to {payload["site"]}')
    request = {'site': payload['site'], 'dir': os.path.relpath(packed, home), 'draft': payload.get('draft', False)}
    if payload.get('message'):
        request['message'] = payload['message']
    answer = doe.integration('netlify', 'deploy', request, timeout=DEPLOY_SECONDS)
    doe.progress(100, 'deployed')
    print(f'deployed to {answer["url"]}')
    doe.result({**answer, 'files': files, 'bytes': size})


def folder_inside(root: str, name: object, what: str) -> str:
    """The real path of a folder inside `root`, links and all; what is hidden there is not published."""
    if not isinstance(name, str) or not name or os.path.isabs(name):
        raise Refused(f'{what} must be a folder, named relative')
    path = os.path.realpath(os.path.join(root, name))
    if path != root and not path.startswith(root + os.sep):
        raise Refused(f'{what} {name!r} leads out of {os.path.basename(root)}')
    if not os.path.isdir(path):
        raise Refused(f'{what} {name!r} is not a folder')
    if path != root and any(part.startswith('.') for part in os.path.relpath(path, root).split(os.sep)):
        raise Refused(f'{what} {name!r} is hidden, or lies in a hidden folder')
    return path


def build(project: str, copy: str, command: list) -> str:
    """Runs the build command in a copy of the project, without a shell, and answers the copy."""
    doe.progress(5, 'copying the project')
    shutil.copytree(project, copy, symlinks=True, ignore=shutil.ignore_patterns('.git'))
    doe.progress(10, 'building')
    print(f'building: {" ".join(command)}')
    environment = {name: value for name, value in os.environ.items() if name not in NOT_FOR_BUILDS}
    try:
        code = subprocess.run(command, cwd=copy, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    except FileNotFoundError:
        raise Refused(f'the build command {command[0]!r} was not found') from None
    if code != 0:
        raise Refused(f'the build command failed with exit code {code}; its output stands above')
    return copy


def pack(publish: str, packed: str) -> tuple:
    """Copies what belongs to the site: no hidden files, no node_modules. Answers number and bytes."""
    files = size = 0
    for folder, folders, names in os.walk(publish):
        folders[:] = sorted(name for name in folders if wanted(name))
        for name in folders + sorted(name for name in names if wanted(name)):
            source = os.path.join(folder, name)
            relative = os.path.relpath(source, publish)
            if os.path.islink(source):
                raise Refused(f'{relative!r} is a link: put what it leads to there, or leave it out')
            if os.path.isdir(source):
                continue
            if not os.path.isfile(source):
                raise Refused(f'{relative!r} is not a plain file')
            target = os.path.join(packed, relative)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)
            files += 1
            size += os.path.getsize(target)
            if files > MOST_FILES:
                raise Refused(f'the folder has more than {MOST_FILES} files')
    if files == 0:
        raise Refused('the folder has no files to deploy')
    return files, size


def wanted(name: str) -> bool:
    return name != 'node_modules' and (not name.startswith('.') or name == '.well-known')


def clean(work: str) -> None:
    shutil.rmtree(work, ignore_errors=True)
    try:
        os.rmdir(os.path.dirname(work))
    except OSError:
        # Another deployment works there, or there is none.
        pass


if __name__ == '__main__':
    main()
