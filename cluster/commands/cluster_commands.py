"""Cluster commands: a Ray cluster, and searches as its jobs - doctor, submit, attach, stop."""

from pathlib import Path

import click

from ..settings.config import read_config
from .options import key_option, overrides, search_options, server_option, set_option


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option(
    "--address", default="auto", show_default=True, help="Ray cluster: HEAD:6379, or auto."
)
@click.pass_context
def doctor(context: click.Context, config: Path | None, address: str) -> None:
    """Tell what a Ray cluster has for a search, with CONFIG for that one, and what to do.

    The exit code is 1 where something is to be looked at.
    """
    from ..on_ray.doctor import examine
    from ..on_ray.ray_cluster import ray_at

    checked = read_config(config, {}) if config else None
    with ray_at(address, cpus=0):
        findings = list(examine(checked))
    for finding in findings:
        click.echo(
            f"ok    {finding.seen}" if finding.well else f"look  {finding.seen}: {finding.advice}"
        )
    if not all(finding.well for finding in findings):
        context.exit(1)


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@server_option
@click.option(
    "--run", metavar="FOLDER", help="The run's, on the cluster; one that is there goes on."
)
@key_option("--data-root", "data.root", metavar="FOLDER", help="Data and weights on the cluster.")
@set_option
@search_options
@click.option("--no-follow", is_flag=True, help="Leave at once; the job goes on.")
def submit(
    config: Path,
    address: str,
    run: str | None,
    journal: str | None,
    artifacts: str | None,
    no_follow: bool,
) -> None:
    """Search with the YAML file CONFIG as a job on a Ray cluster, and follow its log."""
    from ..on_ray.jobs import Submission, command, follow, job_server
    from ..on_ray.jobs import submit as send

    checked = read_config(config, overrides())
    submission = Submission.of(checked, run, journal, artifacts)
    server = job_server(address)
    send(server, submission)
    click.echo(f"job       {submission.id}")
    click.echo(f"run       {submission.run} on the cluster")
    click.echo(f"follow    {command('attach', server, submission.id)}")
    click.echo(f"stop      {command('stop', server, submission.id)}")
    if not no_follow:
        follow(server, submission.id, lambda text: click.echo(text, nl=False))


@click.command()
@click.argument("job")
@server_option
def attach(job: str, address: str) -> None:
    """Follow the log of JOB to its end. The exit code is 1 where it did not succeed."""
    from ..on_ray.jobs import follow, job_server

    follow(job_server(address), job, lambda text: click.echo(text, nl=False))


@click.command()
@click.argument("job")
@server_option
def stop(job: str, address: str) -> None:
    """End JOB cleanly; what it has measured is kept, and the search can go on."""
    from ..on_ray.jobs import job_server
    from ..on_ray.jobs import stop as end

    click.echo(end(job_server(address), job))
