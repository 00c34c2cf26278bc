-- What wants to be looked at is found without reading the rest. Imports that were there are looked at once.
ALTER TABLE doc ADD COLUMN due INTEGER;
UPDATE doc SET due = 0 WHERE kind = 'import';
CREATE INDEX doc_due ON doc (kind, due, id) WHERE due IS NOT NULL;
