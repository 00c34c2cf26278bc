-- Targets, too, say from when on they want to be looked at. Those that were there are looked at once.
UPDATE doc SET due = 0 WHERE kind = 'target' AND due IS NULL;
