-- A copy of the database calls nobody: connections pause, what they log in with is gone, deliveries no longer find them,
-- and what waits to be written back is dropped, so that a copy that is set going later does not send the original's work.
UPDATE psa_connection
   SET state = 'paused',
       environment = 'sandbox',
       webhook_token = replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '');

UPDATE psa_credential
   SET value_encrypted = NULL, previous_encrypted = NULL, previous_until = NULL, changed_at = NULL;

UPDATE psa_token
   SET value_encrypted = NULL, expires_at = NULL;

DELETE FROM psa_oauth_state;

UPDATE psa_message
   SET state = 'skipped', skip_reason = 'out_of_scope', wait_key = NULL, next_attempt_at = NULL
 WHERE direction = 'out' AND state NOT IN ('done', 'skipped');
