package known

// memcached knows memcached, which needs nothing but a note.
func memcached(p *Program) *Facts {
	if p.Name() != "memcached" {
		return nil
	}
	f := &Facts{Name: "memcached"}
	for _, a := range p.Args {
		if a == "-d" || a == "--daemon" {
			f.Notes = append(f.Notes, Note{Level: Warn, Point: "single process", Text: "memcached: " + a + " forks, which fails: leave it out"})
		}
	}
	return f
}
