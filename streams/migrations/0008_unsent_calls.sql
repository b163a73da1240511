-- What senders have not sent yet, by kind: counted each second, also while a gateway has been away for hours.
create index idx_unsent_calls on work_items (kind)
  where work_class = 'sender' and state in ('ready', 'claimed', 'dispatched');
