"""Ends of keys, ends of pauses, rolls, and the addresses that use a key."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import apikeys.standing


class Migration(migrations.Migration):
    dependencies = [
        ("apikeys", "0001_v0_1_0"),
        ("projects", "0002_v0_1_0_audit_log"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="KeyCaller",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "key_id",
                        "span",
                        "starts_at",
                        "address",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="callers",
                        to="apikeys.apikey",
                    ),
                ),
                ("span", models.CharField(choices=[("day", "day"), ("rehearsal", "rehearsal")], max_length=32)),
                ("starts_at", models.DateTimeField()),
                ("address", models.CharField(blank=True, max_length=43)),
                ("allowed", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("rejected", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("first_at", models.DateTimeField()),
                ("last_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="KeyNotice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="notices", to="apikeys.apikey"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("week", "it ends in a week"),
                            ("day", "it ends in a day"),
                            ("expired", "it has expired"),
                            ("last_hour", "it was rolled, is in use, and ends in an hour"),
                            ("quiet", "it was rolled and is quiet"),
                        ],
                        max_length=32,
                    ),
                ),
                ("sent_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="apikey",
            name="apikey_state_is_known",
        ),
        migrations.RemoveConstraint(
            model_name="keyuse",
            name="keyuse_outcome_is_known",
        ),
        migrations.AddField(
            model_name="apikey",
            name="end_reason",
            field=models.CharField(
                blank=True,
                choices=[("chosen", "chosen"), ("rolled", "rolled")],
                db_default="",
                default="",
                max_length=32,
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="ends_when_quiet",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="apikey",
            name="expires_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="apikey",
            name="pause_note",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="apikey",
            name="rehearsal_began_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="apikey",
            name="rehearsal_ended_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="apikey",
            name="replaces",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="replaced_by", to="apikeys.apikey"
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="resumes_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="apikey",
            name="state",
            field=models.CharField(
                choices=[("active", "Active"), ("paused", "Paused"), ("ended", "Ended"), ("deleted", "Deleted")],
                default="active",
                max_length=32,
            ),
        ),
        migrations.AlterField(
            model_name="keyuse",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("ok", "allowed"),
                    ("paused", "paused"),
                    ("expired", "expired"),
                    ("deleted", "deleted"),
                    ("forbidden", "creator deactivated"),
                ],
                max_length=32,
            ),
        ),
        migrations.AlterField(
            model_name="projectuse",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("ok", "allowed"),
                    ("paused", "paused"),
                    ("expired", "expired"),
                    ("deleted", "deleted"),
                    ("forbidden", "creator deactivated"),
                ],
                max_length=32,
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["active", "paused", "ended", "deleted"])),
                name="apikey_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state", apikeys.standing.KeyState["PAUSED"]),
                    models.Q(("pause_note", ""), ("resumes_at__isnull", True)),
                    _connector="OR",
                ),
                name="apikey_pause_ends_while_paused",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("expires_at__isnull", False),
                    models.Q(
                        models.Q(("state", apikeys.standing.KeyState["ENDED"]), _negated=True),
                        ("end_reason", ""),
                        ("ends_when_quiet", False),
                    ),
                    _connector="OR",
                ),
                name="apikey_end_has_an_instant",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(("end_reason__in", ["", "chosen", "rolled"])), name="apikey_end_reason_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="keyuse",
            constraint=models.CheckConstraint(
                condition=models.Q(("outcome__in", ["ok", "paused", "expired", "deleted", "forbidden"])),
                name="keyuse_outcome_is_known",
            ),
        ),
        migrations.AddIndex(
            model_name="keycaller",
            index=models.Index(fields=["starts_at"], name="keycaller_oldest"),
        ),
        migrations.AddConstraint(
            model_name="keycaller",
            constraint=models.CheckConstraint(
                condition=models.Q(("span__in", ["day", "rehearsal"])), name="keycaller_span_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="keynotice",
            constraint=models.UniqueConstraint(fields=("key", "kind"), name="keynotice_once"),
        ),
        migrations.AddConstraint(
            model_name="keynotice",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["week", "day", "expired", "last_hour", "quiet"])),
                name="keynotice_kind_is_known",
            ),
        ),
    ]
