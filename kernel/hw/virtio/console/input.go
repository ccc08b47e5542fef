package console

// postInput gives the port's input buffers to the device, once.
func (p *Port) postInput() {
	if p.in == nil || p.taken {
		return
	}
	p.taken = true
	for i := range p.in.Size() {
		p.postOne(uint8(i))
	}
	p.in.Kick()
	p.in.Arm()
}

func (p *Port) postOne(i uint8) {
	if head, ok := p.in.AddOne(p.inMem.Part(uint32(i)*inputBuffer).Phys, inputBuffer, true); ok {
		p.inOf[head] = i
	}
}

// input hands on what the host has sent. It reports whether there was anything.
func (p *Port) input() (any bool) {
	if !p.taken {
		return false
	}
	for p.in.Poll() > 0 || p.in.Arm() > 0 {
		for {
			head, n, ok := p.in.Next()
			if !ok {
				break
			}
			any = true
			i := p.inOf[head]
			b := p.c.scratch[:copy(p.c.scratch[:], p.inMem.Part(uint32(i)*inputBuffer).Bytes(n))]
			p.postOne(i)
			if len(b) > 0 {
				p.onData(b)
			}
		}
		p.in.Kick()
	}
	return any
}
