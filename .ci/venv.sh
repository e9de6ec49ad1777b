#!/usr/bin/env bash
# Prepares the project's own virtual environment, .venv, and runs a command in it:
#
#   bash .ci/venv.sh run|test|dev [COMMAND [ARGUMENT...]]
#
# `run` installs the package, `test` and `dev` also its extra of that name, always editable. An environment that
# already holds what setup.cfg and pyproject.toml ask for is left alone, which takes milliseconds; one made for
# other contents of these files, another place or another Python is made anew.
#
# PYTHON names the interpreter to build on; otherwise the first of python3, python3.14 ... python3.11 that is new
# enough. All that is said goes to standard error: standard output belongs to the command.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." >/dev/null && pwd -P)
venv=$root/.venv
stamp=$venv/.prepared

say() { printf '%s\n' "$*" >&2; }

# Runs a command without a word, unless it fails: then with all its words.
quietly() {
  local output
  output=$("$@" 2>&1 </dev/null) || {
    say "$output"
    say "failed: $*"
    return 1
  }
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 </dev/null; }

find_python() {
  local candidate
  local candidates=(python3 python3.14 python3.13 python3.12 python3.11)
  [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
  for candidate in "${candidates[@]}"; do
    if new_enough "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  say "Python 3.11 or newer is needed, and none was found (looked for: ${candidates[*]})."
  say "Install one, or name it: PYTHON=/path/to/python3 ..."
  return 1
}

# Debian and its kin ship Python without what `python3 -m venv` needs.
can_make_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1 </dev/null; }

need_venv_module() {
  local python=$1 package
  if can_make_venv "$python"; then return; fi
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "Installing $package, which $python needs to make virtual environments ..."
    export DEBIAN_FRONTEND=noninteractive
    quietly apt-get update -qq
    quietly apt-get install -y -qq --no-install-recommends "$package"
    if can_make_venv "$python"; then return; fi
  fi
  say "$python cannot make virtual environments: its modules venv and ensurepip are missing."
  say "On Debian or Ubuntu: sudo apt-get install $package. Or name another Python: PYTHON=/path/to/python3 ..."
  return 1
}

# A Python that is named has to be the one inside; when none is, the one inside will do.
right_python() { [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" --version)" = "$("$venv/bin/python" --version)" ]; }

# What the environment was prepared for.
wanted() {
  {
    printf '%s\n' "$root"
    "$venv/bin/python" --version
    cat "$root/setup.cfg" "$root/pyproject.toml"
  } 2>&1 | cksum
}

# The stamp says `PROFILE CHECKSUM`; a richer profile serves a poorer one.
prepared() {
  local have
  have=$(cat "$stamp" 2>/dev/null) && right_python 2>/dev/null || return 1
  case "$profile:${have%% *}" in
    run:run | run:test | run:dev | test:test | test:dev | dev:dev) [ "${have#* }" = "$(wanted)" ] ;;
    *) return 1 ;;
  esac
}

# Whether what is there can be added to: it works, and was not made for something else.
reusable() {
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 </dev/null || return 1
  right_python 2>/dev/null || return 1
  [ ! -f "$stamp" ] || [ "$(cut -d' ' -f2- "$stamp")" = "$(wanted)" ]
}

prepare() {
  local python target=$root
  if [ "$profile" != run ]; then target="${root}[$profile]"; fi
  say "Preparing $venv for: $profile ..."
  if ! reusable; then
    python=$(find_python)
    need_venv_module "$python"
    quietly "$python" -m venv --clear "$venv"
  fi
  rm -f "$stamp"
  quietly "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --editable "$target"
  printf '%s %s\n' "$profile" "$(wanted)" >"$stamp"
}

profile=${1:-}
case "$profile" in
  run | test | dev) shift ;;
  *)
    say "usage: bash .ci/venv.sh run|test|dev [COMMAND [ARGUMENT...]]"
    exit 2
    ;;
esac

if ! prepared; then
  # Two commands started at once prepare one after the other; the second then finds all done.
  exec 9>"$root/.venv.lock"
  if command -v flock >/dev/null; then flock 9; fi
  if ! prepared; then
    # Not in an `if` or `||`, which would switch off `set -e` inside.
    prepare
  fi
  exec 9>&-
fi

if [ $# -eq 0 ]; then exit 0; fi
export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
exec "$@"
