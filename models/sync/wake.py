"""Set scheduled jobs going at once, without a row in the trigger table for every reason to do so."""

from odoo.tools import SQL


def wake(env, *xmlids):
    """Trigger these cron jobs, unless a trigger that no run has consumed yet does so already.

    A run consumes the triggers that it sees when it starts, and notes its start in ``ir_cron_progress``: a trigger
    made after the last start is still to come. What slips through between the two is found at the job's interval.

    :return: number of triggers made
    """
    jobs = {env["ir.model.data"]._xmlid_to_res_id(xmlid, raise_if_not_found=True) for xmlid in xmlids}
    made = env.execute_query(SQL(
        """
        INSERT INTO ir_cron_trigger (cron_id, call_at, create_uid, create_date, write_uid, write_date)
        SELECT cron.id, date_trunc('second', now() AT TIME ZONE 'UTC'),
               %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s, now() AT TIME ZONE 'UTC'
          FROM ir_cron cron
         WHERE cron.id = ANY(%(jobs)s) AND cron.active AND NOT EXISTS (
               SELECT FROM ir_cron_trigger trigger
                WHERE trigger.cron_id = cron.id
                  AND trigger.call_at <= now() AT TIME ZONE 'UTC'
                  AND trigger.create_date > COALESCE(
                      (SELECT create_date FROM ir_cron_progress
                        WHERE cron_id = cron.id ORDER BY id DESC LIMIT 1), '-infinity'))
        RETURNING id
        """, uid=env.uid, jobs=list(jobs)))
    if made:
        env.cr.postcommit.add(env["ir.cron"]._notifydb)
    return len(made)
