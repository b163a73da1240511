-- What several queries become when they are sent as one; `{...}` stands for a whole query or a number.

-- name: rows_of
-- Rows of one query among others: `part` says whose they are.
select {part} as part, each.* from (
{query}
) as each
