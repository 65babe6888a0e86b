"""What serves those who work on Plaza: embedded servers, `plaza up`, demo data and `plaza dev`. Production never imports it but for the command line."""
