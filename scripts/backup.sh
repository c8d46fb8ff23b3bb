#!/bin/sh
# Backs Latchkey up, and brings it back. Run it with the server's environment:
#
#   scripts/backup.sh save FOLDER       writes the database and the uploaded files into a new folder, never the secrets:
#                                    keep SECRET_KEY, KEY_PEPPERS and KEY_RING somewhere else. The rows of sessions and
#                                    limits are left out: after a restore everybody signs in again
#   scripts/backup.sh restore FOLDER    brings them back into an empty database at DATABASE_URL and an empty DATA_DIR, then
#                                    proves with the environment's KEY_PEPPERS and KEY_RING that every key came back
#
# For a drill, restore with DATABASE_URL and DATA_DIR of another place and the secrets from where you keep them; the
# running server is not touched. It needs pg_dump and pg_restore of PostgreSQL's own version or a later one.
set -eu
umask 077

stop() {
    echo "$*" >&2
    exit 1
}

[ $# -eq 2 ] || stop "usage: scripts/backup.sh save|restore FOLDER"
case $2 in
/*) folder=$2 ;;
*) folder=$PWD/$2 ;;
esac
cd "$(dirname "$0")/.."
python=.venv/bin/python
scratch=$(mktemp -d)
unfinished=
trap 'rm -rf "$scratch" ${unfinished:+"$unfinished"}' EXIT
# A signal is an exit, too: not every shell thinks so.
trap 'exit 1' HUP INT TERM

# Where things are. The database's address goes by a file: every user of the machine could read the password of an argument.
DJANGO_SETTINGS_MODULE=config.settings "$python" - "$scratch" <<'END'
import sys
from pathlib import Path

from django.conf import settings
from psycopg.conninfo import conninfo_to_dict

from config.environment.variables import given

scratch = Path(sys.argv[1])
(scratch / "data_dir").write_text(str(settings.MEDIA_ROOT.parent))
database = settings.DATABASES["default"]
if database["ENGINE"].endswith("sqlite3"):
    (scratch / "sqlite").write_text(str(database["NAME"]))
else:
    address = conninfo_to_dict(given("DATABASE_URL"))
    (scratch / "service").write_text("\n".join(["[latchkey]", *(f"{name}={value}" for name, value in address.items()), ""]))
END
data_dir=$(cat "$scratch/data_dir")
# Tables whose rows no backup needs: who is signed in, and the counts of limits.
left_out="django_session usersessions_usersession cache"
export PGSERVICEFILE="$scratch/service" PGSERVICE=latchkey

save() {
    [ ! -e "$folder" ] || stop "$folder exists. Name a new folder."
    # Without the server's environment, settings name a database that is not there.
    [ ! -e "$scratch/sqlite" ] || [ -e "$(cat "$scratch/sqlite")" ] \
        || stop "There is no database $(cat "$scratch/sqlite"). Run this with the server's environment."
    # It gets its name when it is whole: a backup that was cut passes for none, and is not in the next one's way.
    unfinished=$(dirname "$folder")/unfinished-backup.$$
    mkdir -p "$(dirname "$folder")"
    mkdir "$unfinished"
    # The database first: a file that is uploaded meanwhile is then one too many, and not one that is missing.
    if [ -e "$scratch/sqlite" ]; then
        copy_sqlite "$(cat "$scratch/sqlite")" "$unfinished/database.sqlite3"
    else
        set --
        for table in $left_out; do
            set -- "$@" "--exclude-table-data=*.$table"
        done
        pg_dump --format=custom --no-owner --no-privileges "$@" --file="$unfinished/database.dump"
    fi
    mkdir -p "$data_dir/files"
    tar -cf "$unfinished/files.tar" -C "$data_dir" files || only_changed $?
    mv "$unfinished" "$folder"
    echo "Saved to $folder, without the secrets. Keep SECRET_KEY, KEY_PEPPERS and KEY_RING somewhere else."
}

# The second VACUUM writes the copy anew, so that its free pages do not hold the rows that were deleted.
copy_sqlite() {
    # shellcheck disable=SC2086
    "$python" - "$1" "$2" $left_out <<'END'
import sqlite3
import sys

database, copy, *left_out = sys.argv[1:]
sqlite3.connect(database).execute("VACUUM INTO ?", [copy])
connection = sqlite3.connect(copy, isolation_level=None)
connection.execute("PRAGMA secure_delete = ON")
tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
for table in tables.intersection(left_out):
    connection.execute(f'DELETE FROM "{table}"')
connection.execute("VACUUM")
connection.close()
END
}

# Whether all that tar has to say with this status is that people deleted or uploaded files while it read them. GNU's says
# so with a 1, which other tars say of every error.
only_changed() {
    [ "$1" -eq 1 ] && tar --version | grep -q GNU
}

restore() {
    # Otherwise pg_restore's failure would be taken for that of a database that is not empty.
    saved=database.dump
    [ ! -e "$scratch/sqlite" ] || saved=database.sqlite3
    for part in "$saved" files.tar; do
        [ -e "$folder/$part" ] || stop "$folder holds no backup. It lacks $part."
    done
    [ -z "$(ls -A "$data_dir/files" 2>/dev/null)" ] || stop "$data_dir/files is not empty. Name another DATA_DIR."
    if [ -e "$scratch/sqlite" ]; then
        database=$(cat "$scratch/sqlite")
        # SQLite would put what a journal of an earlier database holds into the one that comes from the backup.
        for left in "$database" "$database-wal" "$database-journal"; do
            [ ! -e "$left" ] || stop "$left exists. Name another DATABASE_URL or DATA_DIR, or move it away."
        done
        cp "$folder/$saved" "$database"
    else
        # One transaction: a database that is not empty stays as it is.
        pg_restore --no-owner --no-privileges --exit-on-error --single-transaction --dbname=service=latchkey \
            "$folder/$saved" || stop "Nothing was restored. DATABASE_URL must name an empty database."
    fi
    tar -xf "$folder/files.tar" -C "$data_dir"
    "$python" manage.py migrate --no-input -v 0
    "$python" manage.py checkkeys
    echo "Restored from $folder. Next: manage.py collectstatic --no-input, then manage.py serve"
}

case $1 in
save) save ;;
restore) restore ;;
*) stop "usage: scripts/backup.sh save|restore FOLDER" ;;
esac
