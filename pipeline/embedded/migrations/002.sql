-- The dispatcher takes turns over the queues of a run and the limit keys in them. Nobody asks for the next due time.
DROP INDEX task_due;
CREATE INDEX task_ready ON task (run, queue, limit_key, id, not_before) WHERE state = 0;
