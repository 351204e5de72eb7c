-- One of the settings of this session, again after RESET ALL.
SET {setting} = {value}
